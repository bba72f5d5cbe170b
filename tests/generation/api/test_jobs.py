from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from generation.models import Job
from tests.factories import call_back, complete, completed, failed, fresh, lease_next, make_job, make_worker


def test_jobs_come_newest_first_a_page_at_a_time(mine: APIClient, owner: User) -> None:
    """pitfall 26: keyset pages, nothing twice, nothing left out."""
    jobs = [make_job(owner) for _ in range(5)]

    seen, cursor = [], ""
    for _ in range(3):
        page = mine.get(f"/api/v1/jobs?limit=2&cursor={cursor}").json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]

    assert seen == [str(job.pk) for job in reversed(jobs)]
    assert cursor == ""


def test_a_page_costs_the_same_queries_however_long_it_is(mine: APIClient, owner: User) -> None:
    counts = []
    for more in (1, 12):
        for _ in range(more):
            make_job(owner, quantity=6)
            make_job(owner, "video_fast")
        with CaptureQueriesContext(connection) as queries:
            mine.get("/api/v1/jobs")
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_a_stranger_sees_and_does_nothing(stranger: APIClient, owner: User) -> None:
    job = make_job(owner)
    url = f"/api/v1/jobs/{job.pk}"

    assert stranger.get("/api/v1/jobs").json()["jobs"] == []
    posts = [stranger.post(f"{url}/{what}") for what in ("cancel", "retry", "run-again")]

    assert [answer.status_code for answer in (stranger.get(url), *posts)] == [404, 404, 404, 404]
    assert fresh(job).status == "queued"


def test_a_foreign_job_and_none_are_answered_alike(stranger: APIClient, owner: User) -> None:
    """404 and the same words: existence does not leak."""
    foreign = stranger.get(f"/api/v1/jobs/{make_job(owner).pk}")
    absent = stranger.get(f"/api/v1/jobs/{uuid.uuid4()}")

    assert foreign.json() == absent.json()


def test_a_cancelled_job_keeps_what_was_completed(mine: APIClient, owner: User) -> None:
    job = make_job(owner, quantity=3)
    leased = lease_next(make_worker())
    call_back(leased, completed(leased, 1), status="processing")

    answer = mine.post(f"/api/v1/jobs/{job.pk}/cancel").json()

    assert answer["status"] == "cancelled"
    assert [image["status"] for image in answer["images"]] == ["cancelled", "completed", "cancelled"]


def test_cancelling_twice_changes_nothing_more(mine: APIClient, owner: User) -> None:
    job = make_job(owner)
    first = mine.post(f"/api/v1/jobs/{job.pk}/cancel").json()

    again = mine.post(f"/api/v1/jobs/{job.pk}/cancel")

    assert (again.status_code, again.json()) == (200, first)


def test_a_completed_job_is_left_alone_by_a_late_cancel(mine: APIClient, owner: User) -> None:
    job = make_job(owner)
    complete(job)

    assert mine.post(f"/api/v1/jobs/{job.pk}/cancel").json()["status"] == "completed"


def test_a_retry_queues_only_what_did_not_complete(mine: APIClient, owner: User) -> None:
    job = make_job(owner, quantity=3)
    leased = lease_next(make_worker())
    call_back(leased, completed(leased, 0), failed(leased, 1), failed(leased, 2))
    before = mine.get(f"/api/v1/jobs/{job.pk}").json()
    assert before["status"] == "partial"
    assert before["images"][1]["error"] == {"code": "out_of_memory", "message": "The GPU ran out of memory."}

    after = mine.post(f"/api/v1/jobs/{job.pk}/retry").json()

    assert after["status"] == "queued"
    assert [image["status"] for image in after["images"]] == ["completed", "queued", "queued"]
    assert after["images"][0]["sha256"] == before["images"][0]["sha256"]


def test_a_retry_of_one_slot_leaves_the_others(mine: APIClient, owner: User) -> None:
    """Pitfall 39"""
    job = make_job(owner, quantity=3)
    leased = lease_next(make_worker())
    call_back(leased, completed(leased, 0), failed(leased, 1), failed(leased, 2))
    url = f"/api/v1/jobs/{job.pk}/retry"
    assert mine.post(url, {"slots": [0]}, format="json").status_code == 409
    for slots in ([], ["1"], [-1], [True], 1, [1] * 7):
        assert mine.post(url, {"slots": slots}, format="json").status_code == 422
    assert mine.post(url, {"images": [1]}, format="json").status_code == 422
    after = mine.post(url, {"slots": [1]}, format="json").json()
    assert [image["status"] for image in after["images"]] == ["completed", "queued", "failed"]


@pytest.mark.parametrize("end", ["queued", "completed"])
def test_a_job_that_cannot_be_retried_is_a_conflict(mine: APIClient, owner: User, end: str) -> None:
    job = make_job(owner)
    if end == "completed":
        complete(job)

    response = mine.post(f"/api/v1/jobs/{job.pk}/retry")

    assert (response.status_code, response.json()["code"]) == (409, "not_retryable")
    assert fresh(job).status == end


def test_a_job_run_again_is_a_new_one_for_each_key(mine: APIClient, owner: User) -> None:
    job = make_job(owner, quantity=3, seed=0)
    url, key = f"/api/v1/jobs/{job.pk}/run-again", {"Idempotency-Key": "k1"}

    first, twin = (mine.post(url, headers=key) for _ in range(2))
    varied = mine.post(url, {"vary": True}, format="json").json()

    assert (first.status_code, first.json()["id"]) == (201, twin.json()["id"])
    assert [image["seed"] for image in first.json()["images"]] == [0, 1, 2]
    assert varied["seed"] is None
    assert Job.objects.count() == 3
    assert mine.post(url, {"vary": True}, format="json", headers=key).status_code == 422
    assert mine.post(url, {"vary": "yes"}, format="json").status_code == 422


def test_a_second_retry_is_a_conflict_and_queues_nothing_twice(mine: APIClient, owner: User) -> None:
    job = make_job(owner)
    mine.post(f"/api/v1/jobs/{job.pk}/cancel")

    answers = [mine.post(f"/api/v1/jobs/{job.pk}/retry").status_code for _ in range(2)]

    assert answers == [200, 409]
    assert Job.objects.count() == 1


def test_a_deadline_is_kept_and_a_past_or_odd_one_refused(mine: APIClient, owner: User) -> None:
    asked = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse"}
    at = (timezone.now() + timedelta(hours=1)).isoformat()

    made = mine.post("/api/v1/jobs", {**asked, "deadline_at": at}, format="json").json()

    assert parse_datetime(made["deadline_at"]) == parse_datetime(at)
    for odd in ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "soon", 3, "2026-01-01"):
        refused = mine.post("/api/v1/jobs", {**asked, "deadline_at": odd}, format="json")
        assert (refused.status_code, list(refused.json()["errors"])) == (422, ["deadline_at"])


def test_a_queue_is_paused_reordered_and_resumed(mine: APIClient, owner: User) -> None:
    first, last = make_job(owner), make_job(owner)

    paused = mine.post("/api/v1/queue/pause").json()["paused_at"]
    assert paused
    assert mine.get("/api/v1/me").json()["queue"] == {"paused_at": paused}
    place = mine.get(f"/api/v1/jobs/{last.pk}").json()["place"]
    assert (place["paused"], place["position"]) == (True, None)

    url = f"/api/v1/jobs/{last.pk}/move"
    assert mine.post(url, {"to": "first"}, format="json").status_code == 200
    assert list(Job.objects.of(owner.pk).waiting()) == [last, first]
    assert mine.post(url, {"before": str(uuid.uuid4())}, format="json").status_code == 404
    for nowhere in ({}, {"to": "x"}, {"to": "up", "before": str(first.pk)}, {"before": 3}):
        assert mine.post(url, nowhere, format="json").status_code == 422
    assert mine.post("/api/v1/queue/resume").json() == {"paused_at": None}
    assert fresh(last).held_at is None
