"""Before Make: what the page is told of a job that is not submitted yet."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.catalog.job_types import JOB_TYPES
from generation.models import Job, Worker
from tests.factories import lease_next, make_job, make_user, make_worker


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker()


def forecast(client: Client, **asked: Any) -> dict[str, object]:
    answer = client.get("/workspace/forecast", {"job_type": "sdxl_image_fast", "quantity": 6, **asked})
    assert answer.status_code == 200, answer.content
    said = dict(answer.json())
    assert said.pop("takes").keys() == JOB_TYPES.keys()
    return said


def offer(worker: Worker, *pools: str) -> None:
    Worker.objects.filter(pk=worker.pk).update(pools=list(pools), last_seen_at=timezone.now())


def test_before_make_the_page_can_ask_how_long_it_would_take(signed_in: Client, worker: Worker) -> None:
    offer(worker, "sdxl_image_fast")
    assert forecast(signed_in) == {
        "ok": True,
        "served": True,
        "refused": False,
        "make": "Make",
        "text": "starts at once · about 30 s",
    }
    jobs = [make_job(make_user(), quantity=6) for _ in range(3)]
    assert forecast(signed_in)["text"] == "3 ahead of you · about 2 min"
    assert forecast(signed_in, quantity=1)["text"] == "3 ahead of you · about 2 min"
    assert Job.objects.count() == len(jobs), "nothing was submitted"


def test_a_deadline_that_cannot_be_met_is_said_before_make(signed_in: Client, worker: Worker) -> None:
    offer(worker, "sdxl_image_fast")
    for _ in range(25):
        make_job(make_user(), quantity=6)
    assert forecast(signed_in, within=600)["text"] == (
        "25 ahead of you · about 13 min: too late for your deadline"
    )
    assert forecast(signed_in, within=1800)["text"] == "25 ahead of you · about 13 min"
    assert signed_in.get("/workspace/forecast", {"job_type": "x", "within": "9" * 99}).status_code == 422


def test_an_owners_own_jobs_are_ahead_and_a_newcomer_passes_those_of_others(
    signed_in: Client, owner: User, worker: Worker
) -> None:
    """pitfall 13"""
    offer(worker, "sdxl_image_fast")
    other = make_user()
    for _ in range(5):
        make_job(other, quantity=6)
    assert forecast(signed_in)["text"] == "1 ahead of you · about 60 s"
    make_job(owner, quantity=6)
    assert forecast(signed_in)["text"] == "3 ahead of you · about 2 min"


def test_asking_costs_the_same_queries_behind_few_jobs_and_many(signed_in: Client, worker: Worker) -> None:
    offer(worker, "sdxl_image_fast")
    costs = []
    for _ in range(2):
        make_job(make_user())
        lease_next(make_worker())
        for _ in range(10):
            make_job(make_user())
        with CaptureQueriesContext(connection) as queries:
            forecast(signed_in)
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_the_job_in_work_counts_before_make(signed_in: Client, worker: Worker) -> None:
    """It said that a job would be done in 2 s, behind a video with half a minute left."""
    offer(worker, "sdxl_image_fast", "video_fast")
    make_job(make_user(), "video_fast")
    lease_next(worker)
    assert forecast(signed_in, quantity=1)["text"] == "next in line · about 2 min"


def test_the_page_says_before_make_that_no_worker_is_there(signed_in: Client, worker: Worker) -> None:
    offer(worker, "video_fast+start_frame")
    said = forecast(signed_in)
    assert (said["served"], said["text"]) == (False, "would wait: no worker for it is running")
    frames = {"job_type": "video_fast", "quantity": 1, "references": ["start_frame"]}
    assert forecast(signed_in, **frames)["served"] is True
    assert forecast(signed_in, **frames | {"references": ["end_frame", "start_frame"]})["served"] is False


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "job_type"),
        ({"job_type": "x", "quantity": 1}, "job_type"),
        ({"job_type": "sdxl_image_fast"}, "quantity"),
        ({"job_type": "sdxl_image_fast", "quantity": 2}, "quantity"),
        ({"job_type": "image_fast", "quantity": 1, "references": "style"}, "references"),
        ({"job_type": "video_fast", "quantity": 1, "references": "end_frame"}, "references"),
    ],
)
def test_what_cannot_be_submitted_has_no_forecast(
    signed_in: Client, asked: dict[str, Any], field: str
) -> None:
    answer = signed_in.get("/workspace/forecast", asked)
    assert (answer.status_code, field in answer.json()["errors"]) == (422, True)


def test_a_stranger_asks_for_no_forecast() -> None:
    assert Client().get("/workspace/forecast").status_code == 302
