"""The owner asks for what did not complete."""

from __future__ import annotations

import uuid

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.access.quotas import OverLimit
from generation.core.errors import JobNotFound, NotRetryable, SlotNotRetryable
from generation.models import Job, Worker
from tests.acting import cancel, clear, retry
from tests.factories import call_back, complete, completed, failed, fresh, lease_next, make_job, make_user


@pytest.fixture
def partial(owner: User, worker: Worker) -> Job:
    """One of three completed, two failed for good."""
    make_job(owner, quantity=3)
    job = lease_next(worker)
    call_back(job, completed(job, 1), failed(job, 0), failed(job, 2))
    return fresh(job)


def test_only_the_slots_that_did_not_complete_are_queued_again(owner: User, partial: Job) -> None:
    kept = partial.slots[1]
    retry(owner_id=owner.pk, job_id=partial.pk)
    job = fresh(partial)
    assert (job.status, job.attempts_left, job.finished_at, job.error_code) == ("queued", 3, None, "")
    slots = fresh(job).slots
    assert [slot.status for slot in slots] == ["queued", "completed", "queued"]
    assert [slot.error_code for slot in slots] == ["", "", ""]
    assert (slots[1].sha256, slots[1].revision) == (kept.sha256, kept.revision)


def test_the_retried_slots_complete_the_job(owner: User, worker: Worker, partial: Job) -> None:
    retry(owner_id=owner.pk, job_id=partial.pk)
    again = lease_next(worker)
    assert again.attempt == 2
    assert call_back(again, completed(again, 0), completed(again, 2)).job_status == "completed"


def test_a_cancelled_job_can_be_retried(owner: User) -> None:
    job = make_job(owner, quantity=3)
    cancel(owner_id=owner.pk, job_id=job.pk)
    retry(owner_id=owner.pk, job_id=job.pk)
    assert fresh(job).status == "queued"
    assert {slot.status for slot in fresh(job).slots} == {"queued"}


def test_the_attempts_and_the_waiting_begin_afresh(
    owner: User, worker: Worker, settings: LazySettings
) -> None:
    """The pause grew with every attempt the job had ever had."""
    settings.RETRY_BACKOFF_SECONDS = 10
    job = make_job(owner)
    for _ in range(2):
        for _ in range(3):
            Job.objects.filter(pk=job.pk).update(retry_at=None)
            call_back(lease_next(worker))
        assert fresh(job).status == "failed"
        retry(owner_id=owner.pk, job_id=job.pk)
    call_back(lease_next(worker))
    waiting = fresh(job)
    assert waiting.attempt == 7
    assert waiting.retry_at is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        now = Job._meta.get_field("retry_at").to_python(cursor.fetchone()[0])
    assert (waiting.retry_at.replace(tzinfo=None) - now.replace(tzinfo=None)).total_seconds() < 12


def test_a_job_cleared_from_the_workspace_is_back(owner: User, partial: Job) -> None:
    clear(owner_id=owner.pk)
    assert fresh(partial).cleared_at is not None
    retry(owner_id=owner.pk, job_id=partial.pk)
    assert fresh(partial).cleared_at is None


def test_a_job_that_is_active_or_complete_cannot_be_retried(owner: User, worker: Worker) -> None:
    done = make_job(owner)
    complete(done, worker)
    running = make_job(owner)
    lease_next(worker)
    waiting = make_job(owner)
    for job in (done, running, waiting):
        before = fresh(job)
        with pytest.raises(NotRetryable):
            retry(owner_id=owner.pk, job_id=job.pk)
        assert (fresh(job).status, fresh(job).revision) == (before.status, before.revision)


def test_a_second_click_is_refused(owner: User, partial: Job) -> None:
    retry(owner_id=owner.pk, job_id=partial.pk)
    with pytest.raises(NotRetryable):
        retry(owner_id=owner.pk, job_id=partial.pk)


def test_a_stranger_cannot_retry(partial: Job) -> None:
    for job_id in (partial.pk, uuid.uuid4()):
        with pytest.raises(JobNotFound):
            retry(owner_id=make_user().pk, job_id=job_id)
    assert fresh(partial).status == "partial"


def test_a_retry_queues_up_behind_the_owners_other_work(owner: User, partial: Job) -> None:
    """pitfall 13"""
    for _ in range(4):
        make_job(owner)
    newcomer = make_job(make_user())
    retry(owner_id=owner.pk, job_id=partial.pk)
    assert fresh(partial).fair_tag > newcomer.fair_tag


def test_six_slots_cost_as_many_queries_as_one(owner: User) -> None:
    def queries(quantity: int) -> int:
        job = make_job(owner, quantity=quantity)
        cancel(owner_id=owner.pk, job_id=job.pk)
        with CaptureQueriesContext(connection) as counted:
            retry(owner_id=owner.pk, job_id=job.pk)
        return len(counted)

    make_job(make_user())  # so that the queue is not empty: that takes a probe more
    assert queries(1) == queries(6)


def test_a_retry_counts_against_the_limit(owner: User, settings: LazySettings) -> None:
    """Cancelled jobs brought back would else be work beyond every limit (pitfall 34)."""
    stopped = make_job(owner)
    cancel(owner_id=owner.pk, job_id=stopped.pk)
    settings.MAX_ACTIVE_JOBS = 1
    make_job(owner)
    with pytest.raises(OverLimit):
        retry(owner_id=owner.pk, job_id=stopped.pk)
    assert fresh(stopped).status == "cancelled"


def test_one_slot_is_retried_alone(owner: User, worker: Worker, partial: Job) -> None:
    """Pitfall 39: "try again" on one picture queued all of its job."""
    retry(owner_id=owner.pk, job_id=partial.pk, slots=[2])
    assert [slot.status for slot in fresh(partial).slots] == ["failed", "completed", "queued"]
    again = lease_next(worker)
    assert [slot.slot for slot in again.open_slots] == [2]
    assert call_back(again, completed(again, 2)).job_status == "partial"
    assert fresh(partial).error_code == "out_of_memory"


def test_another_slot_joins_one_that_waits(owner: User, worker: Worker, partial: Job) -> None:
    retry(owner_id=owner.pk, job_id=partial.pk, slots=[2])
    before = fresh(partial)
    retry(owner_id=owner.pk, job_id=partial.pk, slots=[0])
    after = fresh(partial)
    assert (after.status, after.attempts_left) == ("queued", 3)
    assert after.revision > before.revision
    again = lease_next(worker)
    assert [slot.slot for slot in again.open_slots] == [0, 2]
    with pytest.raises(NotRetryable):
        retry(owner_id=owner.pk, job_id=partial.pk, slots=[0])
    assert call_back(again, completed(again, 0), completed(again, 2)).job_status == "completed"


def test_slots_that_join_cost_their_owner_as_much_as_all_at_once(owner: User) -> None:
    """Pitfall 13: one slot was retried, then five joined it in its place, before everybody else's."""
    in_parts, at_once = ([make_job(each, quantity=6) for _ in range(2)] for each in (owner, make_user()))
    for _, job in (in_parts, at_once):
        cancel(owner_id=job.owner_id, job_id=job.pk)
    retry(owner_id=owner.pk, job_id=in_parts[1].pk, slots=[0])
    retry(owner_id=owner.pk, job_id=in_parts[1].pk, slots=[1, 2])
    retry(owner_id=owner.pk, job_id=in_parts[1].pk, slots=[3, 4, 5])
    retry(owner_id=at_once[1].owner_id, job_id=at_once[1].pk)
    assert fresh(in_parts[1]).fair_tag == fresh(at_once[1]).fair_tag


@pytest.mark.parametrize("slots", [[1], [0, 1], [3], [-1], []])
def test_what_is_no_failed_slot_is_refused_and_nothing_is_queued(
    owner: User, partial: Job, slots: list[int]
) -> None:
    before = fresh(partial)
    with pytest.raises(SlotNotRetryable):
        retry(owner_id=owner.pk, job_id=partial.pk, slots=slots)
    assert (fresh(partial).status, fresh(partial).revision) == (before.status, before.revision)
    retry(owner_id=owner.pk, job_id=partial.pk, slots=[0])
    with pytest.raises(SlotNotRetryable):
        retry(owner_id=owner.pk, job_id=partial.pk, slots=[0])
