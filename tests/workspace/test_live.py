"""What the socket sends is what the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.changes import feed
from generation.jobs.lease import heartbeat
from generation.jobs.listing import WAITING_SHOWN
from generation.maintenance import cleanup
from generation.models import Job, Worker
from tests import acting
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    lease_next,
    make_job,
    make_user,
    make_worker,
)
from workspace.consumers import WorkspacePage


def pushes(owner: User, after: int) -> list[dict[str, Any]]:
    changes = feed.changes(owner_id=owner.pk, after=after)
    jobs: list[dict[str, Any]] = WorkspacePage(owner.pk).render(changes)["jobs"]
    return jobs


def submitted(owner: User) -> None:
    make_job(owner, quantity=3)


def running(owner: User) -> None:
    make_job(owner, quantity=3)
    worker = make_worker()
    job = lease_next(worker)
    call_back(job, completed(job, 1), status="processing")
    assert job.lease_token
    heartbeat(worker=worker, job_id=job.pk, lease_token=job.lease_token, progress=30, stage="sketching")


def partly_failed(owner: User) -> None:
    make_job(owner, quantity=3)
    job = lease_next(make_worker())
    call_back(job, completed(job, 0), failed(job, 1), failed(job, 2))


def retried(owner: User) -> None:
    partly_failed(owner)
    acting.retry(owner_id=owner.pk, job_id=Job.objects.get().pk)


def to_try_again(owner: User) -> None:
    make_job(owner)
    job = lease_next(make_worker())
    call_back(job, failed(job, 0, retryable=True))


def cancelled(owner: User) -> None:
    acting.cancel(owner_id=owner.pk, job_id=make_job(owner, quantity=3).pk)


def video_done(owner: User) -> None:
    complete(make_job(owner, "video_fast"))


def under_review(owner: User) -> None:
    complete(make_job(owner, quantity=3, review=True))


def one_saved(owner: User) -> None:
    under_review(owner)
    acting.save(owner_id=owner.pk, assets=[Job.objects.get().slots[0].pk])


def one_discarded(owner: User) -> None:
    under_review(owner)
    acting.discard(owner_id=owner.pk, assets=[Job.objects.get().slots[0].pk])


def rated(owner: User) -> None:
    (image,) = complete(make_job(owner))
    acting.rate(owner_id=owner.pk, assets=[image.pk], rating=4)


def favourite(owner: User) -> None:
    (image,) = complete(make_job(owner))
    acting.set_favourite(owner_id=owner.pk, assets=[image.pk], favourite=True)


def enhanced(owner: User) -> None:
    make_job(owner, "image7b_fast_enhanced", "<b>a heron</b>")
    job = lease_next(make_worker())
    call_back(job, completed(job, 0), metadata={"enhanced_prompt": "A <grey> heron"})


CHANGES = [
    submitted,
    running,
    partly_failed,
    retried,
    to_try_again,
    cancelled,
    video_done,
    under_review,
    one_saved,
    one_discarded,
    rated,
    favourite,
    enhanced,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_pushed_stack_is_exactly_the_pages(
    signed_in: Client, owner: User, change: Callable[[User], None]
) -> None:
    """pitfalls 22, 23"""
    change(owner)
    (job,) = pushes(owner, after=0)
    assert job["removed"] is False
    assert f'id="stack-{job["id"]}"' in job["html"]
    assert timeless(job["html"]) in timeless(signed_in.get("/").content.decode())


def timeless(html: str) -> str:
    """Without the time left, which goes on between two looks."""
    return re.sub(r"about \d+ s left", "", html.strip())


def parts(owner: User) -> dict[str, str]:
    message = WorkspacePage(owner.pk).render(feed.changes(owner_id=owner.pk, after=0))
    return {part["id"]: part["html"] for part in message["parts"]}


@pytest.mark.parametrize("jobs", [0, 1, 8, WAITING_SHOWN + 2])
def test_the_pushed_parts_are_exactly_the_pages(signed_in: Client, owner: User, jobs: int) -> None:
    """Pitfall 22: how much there is, and where each job stands, is said by the page's own partials."""
    made = [make_job(owner) for _ in range(jobs)]
    shown = signed_in.get("/").content.decode()
    pushed = parts(owner)
    places = {f"place-{job.pk}" for job in made[:WAITING_SHOWN]}
    assert pushed.keys() == {"work", "hidden", "review", "workers"} | places
    for html in pushed.values():
        assert html.strip() in shown


def test_what_waited_out_of_sight_comes_up_when_others_leave_the_queue(owner: User) -> None:
    """Pitfall 36: the page never lacks a job that a reload would show."""
    jobs = [make_job(owner) for _ in range(WAITING_SHOWN + 2)]
    before = feed.position(owner.pk).revision
    acting.cancel(owner_id=owner.pk, job_id=jobs[0].pk)
    pushed = {job["id"]: job["removed"] for job in pushes(owner, after=before)}
    assert pushed == {str(jobs[0].pk): False, str(jobs[WAITING_SHOWN].pk): False}
    last = make_job(owner)
    assert pushes(owner, after=feed.position(owner.pk).revision - 1) == [
        {"id": str(last.pk), "html": "", "removed": True}
    ], "it is further back than the page shows"


def test_places_and_workers_are_sent_from_time_to_time(owner: User) -> None:
    """Of an idle page the number of workers alone, by two queries; it is counted from their rows."""
    page = WorkspacePage(owner.pk)
    with CaptureQueriesContext(connection) as queries:
        assert "No worker is running." in page.moving()
    assert len(queries) == 2
    make_worker()
    Worker.objects.update(last_seen_at=timezone.now(), pools=["sdxl_image_fast"])
    assert page.update(0).moves
    (part,) = json.loads(page.moving())["parts"]
    assert (part["id"], "1 worker running" in part["html"]) == ("workers", True)
    Worker.objects.update(last_seen_at=timezone.now() - timedelta(minutes=2))
    assert "No worker is running." in page.moving()
    job = make_job(owner)
    assert page.update(0).moves
    assert f'"place-{job.pk}"' in page.moving()
    assert json.loads(page.moving())["type"] == "progress"
    acting.cancel(owner_id=owner.pk, job_id=job.pk)
    assert "place" not in page.moving()


def test_without_a_socket_the_page_is_told_the_same_on_request(signed_in: Client, owner: User) -> None:
    """Pitfall 36: it asks for what has changed, not for what is on its first page."""
    before = feed.position(owner.pk).revision
    job = make_job(owner)
    answer = signed_in.get("/workspace/changes", {"after": before, "user": owner.pk})
    assert answer.json() == json.loads(WorkspacePage(owner.pk).update(before).text)
    assert [pushed["id"] for pushed in answer.json()["jobs"]] == [str(job.pk)]


@pytest.mark.parametrize("asked", ["user={}&after=99", "user={}&after=-1", "user=0&after=0", "after=0"])
def test_a_page_of_another_state_or_user_is_told_to_reload(
    signed_in: Client, owner: User, asked: str
) -> None:
    """pitfall 24"""
    answer = signed_in.get(f"/workspace/changes?{asked.format(owner.pk)}")
    assert answer.json() == {"type": "reload"}


@pytest.mark.parametrize("after", ["", "x", "1.5"])
def test_what_is_no_revision_is_404(signed_in: Client, owner: User, after: str) -> None:
    assert signed_in.get(f"/workspace/changes?user={owner.pk}&after={after}").status_code == 404


def test_a_cleared_job_is_pushed_as_gone_and_is_gone_from_the_page(signed_in: Client, owner: User) -> None:
    (image,) = complete(make_job(owner))
    before = feed.position(owner.pk).revision
    acting.clear(owner_id=owner.pk)
    assert pushes(owner, after=before) == [{"id": str(image.job_id), "html": "", "removed": True}]
    assert f"stack-{image.job_id}" not in signed_in.get("/").content.decode()


def test_a_job_that_the_chore_deleted_is_pushed_as_gone(owner: User, settings: LazySettings) -> None:
    settings.UNSUCCESSFUL_JOBS = 1
    cancelled(owner)
    job = Job.objects.get()
    cancelled(owner)
    before = feed.position(owner.pk).revision
    assert cleanup.delete_unsuccessful_jobs() == 1
    assert pushes(owner, after=before) == [{"id": str(job.pk), "html": "", "removed": True}]


def test_a_retry_of_a_cleared_job_brings_it_back(signed_in: Client, owner: User) -> None:
    cancelled(owner)
    acting.clear(owner_id=owner.pk)
    job = Job.objects.get()
    before = feed.position(owner.pk).revision
    acting.retry(owner_id=owner.pk, job_id=job.pk)
    (pushed,) = pushes(owner, after=before)
    assert pushed["removed"] is False
    assert pushed["html"].strip() in signed_in.get("/").content.decode()


def test_only_what_is_newer_is_pushed(owner: User) -> None:
    """pitfall 23"""
    make_job(owner)
    before = feed.position(owner.pk).revision
    second = make_job(owner)
    assert [job["id"] for job in pushes(owner, after=before)] == [str(second.pk)]
    assert pushes(owner, after=feed.position(owner.pk).revision) == []


def test_a_change_of_one_asset_raises_the_revision_of_its_stack(owner: User) -> None:
    """A browser ignores a stack with a lower revision than the one it shows."""
    under_review(owner)
    (first,) = pushes(owner, after=0)
    acting.discard(owner_id=owner.pk, assets=[Job.objects.get().slots[0].pk])
    (second,) = pushes(owner, after=0)
    assert revision_of(second) == feed.position(owner.pk).revision > revision_of(first)


def revision_of(job: dict[str, Any]) -> int:
    return int(job["html"].split('data-revision="')[1].split('"')[0])


def test_anothers_changes_are_not_pushed(owner: User) -> None:
    """pitfall 24"""
    make_job(make_user())
    assert pushes(owner, after=0) == []


def test_the_page_starts_from_the_revision_it_shows(signed_in: Client, owner: User) -> None:
    """pitfall 23"""
    make_job(owner)
    shown = signed_in.get("/").content.decode()
    assert f'data-revision="{feed.position(owner.pk).revision}" data-cursor' in shown
