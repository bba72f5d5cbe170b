"""What ended is a row, exactly one for each end, in the order of commits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.core.clock import from_now
from generation.core.ids import new_id
from generation.jobs.lease import promote, reap, release
from generation.maintenance.cleanup import delete_old_events
from generation.models import Attempt, Job, OutboxEvent, Worker
from tests.acting import cancel, cancel_all, discard, retry
from tests.factories import call_back, completed, failed, fresh, lease_next, make_job, make_user


def events_of(owner: User) -> list[tuple[Any, ...]]:
    """Status and slots (completed, failed, cancelled) of each event of the owner, in their order."""
    payloads = OutboxEvent.objects.filter(owner=owner).order_by("revision").values_list("payload", flat=True)
    return [(p["status"], p["completed"], p["failed"], p["cancelled"]) for p in payloads]


def held(owner: User, worker: Worker, quantity: int = 3) -> Job:
    make_job(owner, quantity=quantity)
    return lease_next(worker)


def deliver(job: Job, *slots: int, status: str = "completed") -> None:
    call_back(job, *[completed(job, slot) for slot in slots], status=status)


def lose(job: Job) -> None:
    """The worker went silent in the last attempt that the job had."""
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1), attempts_left=0)
    assert reap() == 1


def stop(job: Job) -> None:
    cancel(owner_id=job.owner_id, job_id=job.pk)


def stop_all(job: Job) -> None:
    cancel_all(owner_id=job.owner_id)


def stop_as_operator(job: Job) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a good long password"))
    body = {"action": "cancel_jobs", "_selected_action": [str(job.pk)]}
    client.post(reverse("admin:generation_job_changelist"), body)


def complete_all(job: Job) -> None:
    deliver(job, 0, 1, 2)


def complete_one(job: Job) -> None:
    call_back(job, completed(job, 0), failed(job, 1), failed(job, 2))


def fail_all(job: Job) -> None:
    call_back(job, *[failed(job, slot) for slot in range(3)])


def deliver_one_and_be_lost(job: Job) -> None:
    deliver(job, 1, status="processing")
    lose(job)


def deliver_one_and_be_stopped(job: Job) -> None:
    deliver(job, 1, status="processing")
    stop(job)


ENDINGS: list[tuple[Callable[[Job], None], tuple[Any, ...]]] = [
    (complete_all, ("completed", 3, 0, 0)),
    (complete_one, ("partial", 1, 2, 0)),
    (fail_all, ("failed", 0, 3, 0)),
    (lose, ("failed", 0, 3, 0)),
    (deliver_one_and_be_lost, ("partial", 1, 2, 0)),
    (stop, ("cancelled", 0, 0, 3)),
    (deliver_one_and_be_stopped, ("cancelled", 1, 0, 2)),
    (stop_all, ("cancelled", 0, 0, 3)),
    (stop_as_operator, ("cancelled", 0, 0, 3)),
]


@pytest.mark.parametrize(("end", "expected"), ENDINGS)
def test_each_way_to_end_is_one_event(
    owner: User, worker: Worker, end: Callable[[Job], None], expected: tuple[Any, ...]
) -> None:
    job = held(owner, worker)
    end(job)
    assert events_of(owner) == [expected]
    event, now = OutboxEvent.objects.get(), fresh(job)
    assert (event.kind, event.job_id, event.revision) == ("job.ended", job.pk, now.revision)
    assert (event.payload["status"], event.payload["job_type"]) == (now.status, "sdxl_image_fast")
    assert event.payload["attempt"] == 1


def test_a_job_that_waited_is_cancelled_by_one_event_without_seconds(owner: User) -> None:
    stop(make_job(owner))
    assert events_of(owner) == [("cancelled", 0, 0, 1)]
    assert OutboxEvent.objects.get().payload["seconds"] == 0


def test_seconds_are_those_of_the_last_lease(owner: User, worker: Worker) -> None:
    job = held(owner, worker, 1)
    release(worker=worker, job_id=job.pk, lease_token=job.lease_token)
    again = lease_next(worker)
    Attempt.objects.filter(number=1).update(leased_at=F("leased_at") - timedelta(hours=1))
    Attempt.objects.filter(number=2).update(leased_at=F("leased_at") - timedelta(seconds=30))
    deliver(again, 0)
    assert 30 <= OutboxEvent.objects.get().payload["seconds"] < 60


def test_what_does_not_end_a_job_is_no_event(owner: User, worker: Worker) -> None:
    job = held(owner, worker)
    deliver(job, 0, status="processing")
    release(worker=worker, job_id=job.pk, lease_token=job.lease_token)
    job = lease_next(worker)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1))
    assert reap() == 1
    assert events_of(owner) == []


def test_an_end_that_comes_again_is_no_event(owner: User, worker: Worker) -> None:
    """pitfall 15"""
    job = held(owner, worker, 1)
    report = completed(job, 0)
    for _ in range(2):
        call_back(job, report)
    stop(job)
    discard(owner_id=owner.pk, assets=[job.slots[0].pk])
    assert events_of(owner) == [("completed", 1, 0, 0)]


def test_a_retry_that_ends_is_an_event_of_its_own(owner: User, worker: Worker) -> None:
    job = held(owner, worker)
    call_back(job, completed(job, 0), failed(job, 1), failed(job, 2))
    retry(owner_id=owner.pk, job_id=job.pk)
    assert len(events_of(owner)) == 1
    promote()
    deliver(lease_next(worker), 1, 2)
    assert events_of(owner) == [("partial", 1, 2, 0), ("completed", 3, 0, 0)]


def test_what_rolls_back_is_no_event(owner: User) -> None:
    job = make_job(owner)
    with transaction.atomic():
        stop(job)
        transaction.set_rollback(True)
    assert fresh(job).status == "queued"
    assert events_of(owner) == []


def test_an_end_costs_as_many_queries_as_another_attempt(owner: User, worker: Worker) -> None:
    def queries(*, attempts_left: int) -> int:
        job = held(owner, worker)
        Job.objects.filter(pk=job.pk).update(attempts_left=attempts_left)
        report = completed(job, 0)
        with CaptureQueriesContext(connection) as counted:
            call_back(job, report)
        cancel_all(owner_id=owner.pk)
        return len(counted)

    queries(attempts_left=0)  # the first lease also begins the worker's speed
    # One writes the event, the other asks for another worker of the pool.
    assert queries(attempts_left=0) == queries(attempts_left=1)


def test_no_two_events_of_an_owner_share_a_revision(owner: User) -> None:
    stop(make_job(owner))
    twin = OutboxEvent.objects.get()
    twin.pk, twin._state.adding = new_id(), True
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()
    stop(make_job(make_user()))
    assert len(set(OutboxEvent.objects.values_list("revision", flat=True))) == 1


def test_a_kind_that_nobody_knows_is_refused(owner: User) -> None:
    stop(make_job(owner))
    with pytest.raises(IntegrityError), transaction.atomic():
        OutboxEvent.objects.update(kind="job.began")


def test_the_chores_drop_what_is_old_and_only_that(owner: User, settings: LazySettings) -> None:
    """pitfall 35"""
    settings.OUTBOX_DAYS = 30
    for _ in range(3):
        stop(make_job(owner))
    old, younger, new = OutboxEvent.objects.order_by("revision")
    for event, days in ((old, 31), (younger, 29)):
        OutboxEvent.objects.filter(pk=event.pk).update(created_at=F("created_at") - timedelta(days=days))
    call_command("maintain", "--once")
    assert list(OutboxEvent.objects.order_by("revision")) == [younger, new]


def test_one_round_drops_up_to_its_limit(owner: User) -> None:
    for _ in range(3):
        stop(make_job(owner))
    OutboxEvent.objects.update(created_at=F("created_at") - timedelta(days=365))
    assert [delete_old_events(limit=2) for _ in range(3)] == [2, 1, 0]
