"""The owner stops a job."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.changes import feed
from generation.core.errors import JobNotFound, LeaseLost
from generation.jobs.lease import heartbeat, lease
from generation.models import Attempt, Worker
from tests.acting import cancel, cancel_all
from tests.factories import call_back, complete, completed, fresh, lease_next, make_job, make_user


def test_a_waiting_job_is_cancelled_with_all_its_slots(owner: User) -> None:
    """pitfall 11: the database knows this status."""
    job = make_job(owner, quantity=6)
    assert cancel(owner_id=owner.pk, job_id=job.pk) == fresh(job).status == "cancelled"
    assert fresh(job).finished_at is not None
    assert {slot.status for slot in fresh(job).slots} == {"cancelled"}


def test_completed_slots_stay(owner: User, worker: Worker) -> None:
    make_job(owner, quantity=3)
    job = lease_next(worker)
    call_back(job, completed(job, 1), status="processing")
    assert cancel(owner_id=owner.pk, job_id=job.pk) == "cancelled"
    assert [slot.status for slot in fresh(job).slots] == ["cancelled", "completed", "cancelled"]
    assert fresh(job).slots[1].saved_at is not None


def test_a_job_whose_slots_are_all_there_is_completed_not_cancelled(owner: User, worker: Worker) -> None:
    """Its worker had only not said goodbye yet."""
    make_job(owner)
    job = lease_next(worker)
    call_back(job, completed(job, 0), status="processing")
    assert cancel(owner_id=owner.pk, job_id=job.pk) == "completed"


def test_the_worker_learns_at_its_next_heartbeat(owner: User, worker: Worker) -> None:
    make_job(owner)
    job = lease_next(worker)
    cancel(owner_id=owner.pk, job_id=job.pk)
    told = heartbeat(worker=worker, job_id=job.pk, lease_token=job.lease_token, progress=5, stage="x")
    assert told == "cancel"
    assert fresh(job).progress == 0
    with pytest.raises(LeaseLost):
        heartbeat(worker=worker, job_id=job.pk, lease_token=uuid.uuid4(), progress=5, stage="x")
    assert Attempt.objects.get(job=job).outcome == "cancelled"


def test_a_job_waiting_for_its_next_attempt_is_cancelled_for_good(owner: User, worker: Worker) -> None:
    job = make_job(owner)
    call_back(lease_next(worker))
    cancel(owner_id=owner.pk, job_id=job.pk)
    assert (fresh(job).status, fresh(job).retry_at) == ("cancelled", None)
    assert lease(worker=worker, engines=["sdxl"]) is None


def test_cancelling_what_has_ended_changes_nothing(owner: User, worker: Worker) -> None:
    done = make_job(owner)
    complete(done, worker)
    job = make_job(owner)
    cancel(owner_id=owner.pk, job_id=job.pk)
    stopped = fresh(job)
    before = feed.position(owner.pk).revision
    assert cancel(owner_id=owner.pk, job_id=done.pk) == "completed"
    assert cancel(owner_id=owner.pk, job_id=stopped.pk) == "cancelled"
    assert fresh(stopped).finished_at == stopped.finished_at
    assert feed.position(owner.pk).revision == before


def test_a_stranger_cannot_cancel_nor_learn_that_the_job_exists(owner: User) -> None:
    job = make_job(owner)
    for job_id in (job.pk, uuid.uuid4()):
        with pytest.raises(JobNotFound):
            cancel(owner_id=make_user().pk, job_id=job_id)
    assert fresh(job).status == "queued"


def test_all_of_mine_and_nobody_elses(owner: User, worker: Worker) -> None:
    foreign = make_job(make_user())
    mine = [make_job(owner) for _ in range(3)]
    complete(foreign, worker)
    lease_next(worker)
    other = make_job(make_user())
    assert cancel_all(owner_id=owner.pk) == 3
    assert {fresh(job).status for job in mine} == {"cancelled"}
    assert fresh(other).status == "queued"
    assert cancel_all(owner_id=owner.pk) == 0


def test_six_slots_cost_as_many_queries_as_one(owner: User) -> None:
    def queries(quantity: int) -> int:
        job = make_job(owner, quantity=quantity)
        with CaptureQueriesContext(connection) as counted:
            cancel(owner_id=owner.pk, job_id=job.pk)
        return len(counted)

    assert queries(1) == queries(6)
