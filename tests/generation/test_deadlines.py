"""A job that is wanted only by a deadline: cancelled if it still waits then, and never begun after it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.catalog.submission import InvalidSubmission, Submission
from generation.core.clock import from_now
from generation.core.errors import IdempotencyKeyReused
from generation.jobs.deadlines import cancel_late
from generation.jobs.lease import lease
from generation.jobs.pausing import follow_pauses
from generation.models import Attempt, Job, OutboxEvent
from tests.acting import pause, resume, retry, run_again, submit
from tests.factories import call_back, completed, failed, fresh, lease_next, make_job, make_user, make_worker

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BOTH = ("sdxl", "wan")


@pytest.fixture
def owner() -> User:
    return make_user()


def pass_deadlines() -> None:
    Job.objects.exclude(deadline_at=None).update(deadline_at=from_now(-1))


def test_no_worker_gets_a_job_after_its_deadline(owner: User) -> None:
    worker = make_worker()
    late = [make_job(owner, deadline=HOUR, quantity=3) for _ in range(2)]
    wanted = make_job(owner, deadline=2 * HOUR)
    Job.objects.filter(pk__in=[job.pk for job in late]).update(deadline_at=from_now(-1))
    assert lease_next(worker).pk == wanted.pk
    for job in map(fresh, late):
        assert (job.status, job.error_code, job.attempt) == ("cancelled", "deadline_passed", 0)
        assert {(slot.status, slot.error_code) for slot in job.slots} == {("cancelled", "deadline_passed")}
    assert Attempt.objects.count() == 1
    assert OutboxEvent.objects.count() == 2
    assert lease(worker=worker, engines=BOTH) is None


def test_what_waits_past_its_deadline_is_cancelled_by_the_chores_even_if_paused_or_delayed(
    owner: User,
) -> None:
    jobs = [make_job(owner, deadline=HOUR) for _ in range(3)]
    soon, never = make_job(owner, deadline=HOUR), make_job(owner)
    pause(owner_id=owner.pk)
    Job.objects.filter(pk=jobs[1].pk).update(retry_at=from_now(60), held_at=None)
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(deadline_at=from_now(-1))
    with CaptureQueriesContext(connection) as queries:
        assert cancel_late(limit=2) == 2
    assert (cancel_late(), cancel_late()) == (1, 0)
    assert len(queries) < 40
    assert [fresh(job).status for job in jobs] == ["cancelled"] * 3
    assert [fresh(job).status for job in (soon, never)] == ["queued"] * 2
    resume(owner_id=owner.pk)
    assert follow_pauses() == 0


def test_a_running_job_goes_on_and_keeps_what_it_has_made(owner: User) -> None:
    worker = make_worker()
    make_job(owner, deadline=HOUR, quantity=3)
    job = lease_next(worker)
    pass_deadlines()
    assert cancel_late() == 0
    call_back(job, completed(job, 0), failed(job, 1, retryable=True))
    Job.objects.update(retry_at=None)
    assert fresh(job).status == "queued"
    assert lease(worker=worker, engines=BOTH) is None, "another attempt would come too late"
    after = fresh(job)
    assert after.status == "cancelled"
    assert [slot.status for slot in after.slots] == ["completed", "cancelled", "cancelled"]


def test_a_retry_and_another_run_have_no_deadline(owner: User) -> None:
    job = make_job(owner, deadline=HOUR)
    pass_deadlines()
    cancel_late()
    retry(owner_id=owner.pk, job_id=job.pk)
    again = run_again(owner_id=owner.pk, job_id=job.pk)
    for each in (fresh(job), again):
        assert (each.status, each.deadline_at, each.error_code) == ("queued", None, "")
    assert fresh(job).slots[0].error_code == ""


def test_a_deadline_is_ahead_and_not_too_far(owner: User) -> None:
    now = timezone.now()
    for wrong in (now - HOUR, now + timedelta(days=31), timedelta(days=31)):
        with pytest.raises(InvalidSubmission) as refusal:
            make_job(owner, deadline=wrong)
        assert set(refusal.value.errors) == {"deadline_at"}
    assert not Job.objects.exists()
    job = make_job(owner, deadline=HOUR)
    assert isinstance(job.deadline_at, datetime)
    assert timedelta(minutes=59) < job.deadline_at - now < timedelta(minutes=61)


def test_a_submission_that_is_repeated_after_its_deadline_finds_its_job(owner: User) -> None:
    plain = Submission(job_type="sdxl_image_fast", prompt="a lighthouse")
    wanted = replace(plain, deadline=timezone.now() + timedelta(seconds=2))
    first = submit(owner_id=owner.pk, submission=wanted, idempotency_key="k")
    time.sleep(2.1)
    assert submit(owner_id=owner.pk, submission=wanted, idempotency_key="k").pk == first.pk
    with pytest.raises(IdempotencyKeyReused):
        submit(owner_id=owner.pk, submission=plain, idempotency_key="k")
    with pytest.raises(InvalidSubmission):
        submit(owner_id=owner.pk, submission=wanted)
