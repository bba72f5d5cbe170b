"""Hints of progress: ids alone, at most two a second for each job, whatever its worker sends."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from generation.changes import publisher
from generation.jobs.lease import heartbeat
from generation.jobs.previews import store_preview
from generation.models import Job, Worker
from tests.factories import fresh, lease_next, make_job, png

Tell = Callable[[], None]


@pytest.fixture
def job(owner: User, worker: Worker) -> Job:
    make_job(owner, quantity=3)
    return lease_next(worker)


@pytest.fixture
def hints(job: Job, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The hints that were published."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(publisher, "progressed", lambda **said: sent.append(said))
    return sent


def beat(job: Job, progress: int) -> None:
    held = {"worker": job.leased_by, "job_id": job.pk, "lease_token": job.lease_token}
    heartbeat(**held, progress=progress, stage="")  # type: ignore[arg-type] # as named


def show(job: Job, shade: int) -> None:
    held = {"worker": job.leased_by, "job_id": job.pk, "lease_token": job.lease_token}
    store_preview(**held, slot=0, content=io.BytesIO(png(shade=shade)))  # type: ignore[arg-type] # as named


def test_a_hint_names_the_job_and_nothing_of_it(job: Job, hints: list[dict[str, Any]]) -> None:
    beat(job, 40)
    assert hints == [{"owner_id": job.owner_id, "job_id": job.pk}]


def test_twenty_heartbeats_at_once_are_two_hints_and_the_row_has_the_last(
    job: Job, hints: list[dict[str, Any]]
) -> None:
    """pitfall 34"""
    for progress in range(20):
        beat(job, progress)
    assert len(hints) == 2
    assert fresh(job).progress == 19


def test_previews_and_progress_share_the_two(job: Job, hints: list[dict[str, Any]]) -> None:
    beat(job, 10)
    show(job, 1)
    show(job, 2)
    beat(job, 11)
    assert len(hints) == 2


@pytest.mark.parametrize(("ago", "more"), [(0.5, 0), (1.0, 1)])
def test_the_window_moves_with_the_time(job: Job, hints: list[dict[str, Any]], ago: float, more: int) -> None:
    now = timezone.now()
    before = now - timedelta(seconds=ago)
    Job.objects.filter(pk=job.pk).update(hinted_before_at=before, hinted_at=now)
    beat(job, 50)
    assert len(hints) == more


def test_jobs_do_not_count_for_each_other(job: Job, hints: list[dict[str, Any]], worker: Worker) -> None:
    make_job(job.owner)
    second = lease_next(worker)
    for each in (job, second):
        beat(each, 1)
        beat(each, 2)
    assert len(hints) == 4


@pytest.mark.django_db(transaction=True)
async def test_a_hint_that_cannot_be_sent_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread with a loop of its own cannot wait for the layer; what published has long committed."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    publisher.changed(owner_id=1, revision=1, job_ids=[])
