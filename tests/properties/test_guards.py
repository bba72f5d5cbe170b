"""The guarded updates alone: behind the row locks they are the second fence, which no history can show."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from generation.changes import feed, writes
from generation.changes.writes import StateChanged
from generation.core.clock import Now
from generation.models import AssetStatus, Job, JobStatus, Worker
from generation.queue.claim import _lease
from tests.acting import cancel
from tests.factories import fresh, lease_next, make_job, make_user, make_worker


@pytest.fixture
def owner(db: None) -> User:
    return make_user()


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker()


def test_a_job_that_was_cancelled_meanwhile_is_not_ended_again(owner: User) -> None:
    """pitfall 16"""
    as_read = make_job(owner)
    cancel(owner_id=owner.pk, job_id=as_read.pk)
    with pytest.raises(StateChanged):
        writes.write(as_read, changes={"status": JobStatus.COMPLETED, "finished_at": Now()})
    assert fresh(as_read).status == "cancelled"


def test_a_job_that_was_leased_again_meanwhile_is_not_written(owner: User, worker: Worker) -> None:
    """pitfall 16: processing as before, but under another lease."""
    as_read = lease_next(worker) if make_job(owner) else None
    Job.objects.update(status="queued", lease_expires_at=None, lease_token=None)
    as_read.attempts.update(ended_at=as_read.created_at, outcome="expired")
    lease_next(worker)
    with pytest.raises(StateChanged):
        writes.write(as_read, changes={"progress": 50})
    assert fresh(as_read).progress == 0


def test_a_slot_that_is_gone_is_not_written_as_if_it_were_there(owner: User) -> None:
    """pitfall 5"""
    job = make_job(owner, quantity=3)
    slots = job.slots
    slots[0].status = AssetStatus.CANCELLED
    type(slots[0]).objects.filter(pk=slots[0].pk).delete()
    with pytest.raises(StateChanged):
        writes.write(
            job,
            changes={"status": JobStatus.CANCELLED, "finished_at": Now()},
            assets=slots,
            fields=["status"],
        )


def test_only_a_waiting_job_can_be_held(owner: User, worker: Worker) -> None:
    """pitfall 15: whatever picked it."""
    job = make_job(owner)
    held = lease_next(worker)
    with pytest.raises(StateChanged):
        _lease(make_worker(), job.pk, feed.position(owner.pk).revision + 1)
    assert (fresh(job).leased_by_id, fresh(job).lease_token) == (worker.pk, held.lease_token)
