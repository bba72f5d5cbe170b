"""Machines that may vanish: what they lose costs no attempt, so often."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now

from generation.jobs.forgiveness import MAX_FORGIVEN
from generation.jobs.lease import reap
from generation.models import Job, Worker
from tests.acting import retry
from tests.factories import call_back, failed, fresh, lease_next, make_job, make_worker
from tests.generation.worker_api.conftest import Machine


@pytest.fixture
def spot(db: None) -> Worker:
    worker = make_worker()
    Worker.objects.update(interruptible=True)
    worker.interruptible = True
    return worker


def lose(job: Job, worker: Worker) -> Job:
    lease_next(worker)
    Job.objects.update(lease_expires_at="2020-01-01T00:00Z")
    assert reap() == 1
    Job.objects.update(retry_at=None)
    return fresh(job)


def test_what_vanished_costs_no_attempt_and_not_for_ever(owner: User, spot: Worker) -> None:
    """It may be the job that ends the machines: then its attempts run out after all."""
    job = make_job(owner)
    before = job.attempts_left
    for number in range(MAX_FORGIVEN):
        job = lose(job, spot)
        assert (job.attempts_left, job.forgiven_leases) == (before, number + 1)
    assert lose(job, spot).attempts_left == before - 1


def test_another_worker_pays_as_ever(owner: User, worker: Worker) -> None:
    job = make_job(owner)
    assert lose(job, worker).attempts_left == job.attempts_left - 1


def test_what_its_next_process_reports_costs_none_either(owner: User, spot: Worker) -> None:
    job = make_job(owner)
    call_back(
        lease_next(spot), status="failed", error_message="The worker was ended in the middle of the job."
    )
    assert (fresh(job).attempts_left, fresh(job).forgiven_leases) == (job.attempts_left, 1)


def test_a_failure_that_it_tells_costs_one(owner: User, spot: Worker) -> None:
    job = make_job(owner)
    leased = lease_next(spot)
    call_back(leased, failed(leased, 0, retryable=True), status="failed")
    assert (fresh(job).attempts_left, fresh(job).forgiven_leases) == (job.attempts_left - 1, 0)


def test_its_owners_retry_begins_anew(owner: User, spot: Worker) -> None:
    job = make_job(owner)
    lose(job, spot)
    leased = lease_next(spot)
    call_back(leased, failed(leased, 0))
    retry(owner_id=owner.pk, job_id=job.pk)
    assert fresh(job).forgiven_leases == 0


def test_a_worker_says_so_itself(db: None) -> None:
    machine = Machine(make_worker())
    machine.lease(interruptible=True)
    assert Worker.objects.get().interruptible
    machine.lease()
    assert not Worker.objects.filter(interruptible=True, last_seen_at__lte=Now()).exists()
    assert machine.lease(interruptible="perhaps").status_code == 422
