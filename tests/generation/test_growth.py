"""Rows that cost their maker nothing do not grow without end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from generation.access import projects
from generation.access.projects import BadProjectName
from generation.changes import feed
from generation.changes.feed import StaleCursor, changes
from generation.jobs import actions
from generation.maintenance import cleanup
from generation.maintenance.consistency import ROWS
from generation.models import Asset, Attempt, Job, OutboxEvent, Tombstone, Upload, Worker
from tests.acting import cancel, create_project, discard, retry
from tests.factories import call_back, complete, completed, failed, lease_next, make_job, make_user, upload


def cancelled_jobs(owner: User, number: int) -> list[Job]:
    """Submitted and cancelled at once, the oldest first."""
    jobs = [make_job(owner) for _ in range(number)]
    for job in jobs:
        cancel(owner_id=owner.pk, job_id=job.pk)
    return jobs


def end_long_ago(jobs: Sequence[Job], days: int = 31) -> None:
    ended = timezone.now() - timedelta(days=days)
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(finished_at=ended)


def inconsistencies() -> list[object]:
    return [row for check in ROWS for row in check.find()]


def test_an_owner_keeps_so_many_jobs_without_a_result(
    owner: User, worker: Worker, settings: LazySettings
) -> None:
    """Submitting and cancelling in a loop."""
    settings.UNSUCCESSFUL_JOBS = 5
    with_result = make_job(owner)
    complete(with_result, worker)
    stopped = make_job(owner, quantity=3)
    leased = lease_next(worker)
    call_back(leased, completed(leased, 0), status="processing")
    cancel(owner_id=owner.pk, job_id=stopped.pk)
    jobs = cancelled_jobs(owner, 12)
    theirs = cancelled_jobs(make_user(), 3)
    waiting = make_job(owner)
    at = feed.position(owner.pk).revision

    assert cleanup.delete_unsuccessful_jobs() == 7
    assert cleanup.delete_unsuccessful_jobs() == 0

    kept = {with_result, stopped, waiting, *jobs[7:], *theirs}
    assert set(Job.objects.all()) == kept
    told = changes(owner_id=owner.pk, after=at)
    assert told.job_ids == {job.pk for job in jobs[:7]}
    assert len(told.purged) == 7
    assert inconsistencies() == []


def test_a_job_without_a_result_goes_in_time_with_all_its_rows(
    owner: User, worker: Worker, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    make_job(owner, quantity=3)
    leased = lease_next(worker)
    file = Path(upload(leased, 1).file.path)
    call_back(leased, *[failed(leased, slot) for slot in range(3)])
    young = cancelled_jobs(owner, 1)
    assert (Attempt.objects.count(), Upload.objects.count()) == (1, 1)

    end_long_ago([leased], days=29)
    assert cleanup.delete_unsuccessful_jobs() == 0
    end_long_ago([leased])
    with django_capture_on_commit_callbacks(execute=True):
        assert cleanup.delete_unsuccessful_jobs() == 1

    assert not file.exists()
    assert list(Job.objects.all()) == young
    assert (Attempt.objects.count(), Upload.objects.count(), Asset.objects.count()) == (0, 0, 1)
    assert inconsistencies() == []


def test_what_completed_keeps_its_job_even_from_the_trash(owner: User, worker: Worker) -> None:
    job = make_job(owner, quantity=3)
    leased = lease_next(worker)
    result = completed(leased, 0)
    call_back(leased, result, status="processing")
    cancel(owner_id=owner.pk, job_id=job.pk)
    discard(owner_id=owner.pk, assets=[Asset.objects.completed().get().pk])
    end_long_ago([job])
    assert cleanup.delete_unsuccessful_jobs() == 0


def test_a_job_keeps_so_many_attempts(owner: User, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner retries it again and again."""
    monkeypatch.setattr(actions, "MAX_KEPT_ATTEMPTS", 3)
    job = make_job(owner)
    for _ in range(6):
        call_back(leased := lease_next(worker), failed(leased, 0))
        retry(owner_id=owner.pk, job_id=job.pk)
    assert list(job.attempts.order_by("number").values_list("number", flat=True)) == [4, 5, 6]


def test_an_owner_keeps_so_many_tombstones(
    owner: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that is further behind loads everything afresh; one that has seen most goes on."""
    monkeypatch.setattr(cleanup, "MAX_TOMBSTONES", 3)
    settings.UNSUCCESSFUL_JOBS = 1
    cancelled_jobs(owner, 6)
    before = feed.position(owner.pk).revision
    cleanup.delete_unsuccessful_jobs()

    assert cleanup.delete_old_tombstones() == 2
    assert cleanup.delete_old_tombstones() == 0

    assert Tombstone.objects.count() == 3
    with pytest.raises(StaleCursor):
        changes(owner_id=owner.pk, after=before)
    assert len(changes(owner_id=owner.pk, after=before + 2).purged) == 3


def test_an_owner_keeps_so_many_events(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "MAX_EVENTS", 3)
    jobs = cancelled_jobs(owner, 5)
    cancelled_jobs(make_user(), 1)

    assert cleanup.delete_old_events() == 2

    kept = OutboxEvent.objects.filter(owner=owner).order_by("revision")
    assert [event.job_id for event in kept] == [job.pk for job in jobs[2:]]
    assert OutboxEvent.objects.count() == 4


def test_expired_sessions_are_deleted(owner: User) -> None:
    for client in (Client(), Client()):
        client.force_login(owner)
    live, expired = Session.objects.order_by("pk")
    Session.objects.filter(pk=expired.pk).update(expire_date=timezone.now() - timedelta(seconds=1))

    assert cleanup.delete_expired_sessions() == 1
    assert list(Session.objects.all()) == [live]


def test_an_owner_has_so_many_projects(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "MAX_PROJECTS", 2)
    for name in ("One", "Two"):
        create_project(owner_id=owner.pk, name=name)
    with pytest.raises(BadProjectName):
        create_project(owner_id=owner.pk, name="Three")
