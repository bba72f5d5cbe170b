"""A retry goes to another worker where one offers its pool, for a bounded time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from generation.jobs.lease import lease, reap, release
from generation.models import Job, Worker
from generation.queue.elsewhere import ELSEWHERE_SECONDS
from tests.acting import retry
from tests.factories import call_back, failed, fresh, lease_next, make_job, make_user, make_worker

POOL = "sdxl_image_fast"


def live_worker(pools: Sequence[str] = (POOL,), **more: object) -> Worker:
    worker = make_worker()
    Worker.objects.filter(pk=worker.pk).update(**{"pools": list(pools), "last_seen_at": Now()} | more)
    return worker


def fail(job: Job, worker: Worker) -> Job:
    """The worker fails the job, which may be made again at once."""
    leased = lease_next(worker)
    assert leased.pk == job.pk
    call_back(leased, failed(leased, 0, retryable=True))
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    return fresh(job)


def next_of(worker: Worker) -> Job | None:
    return lease(worker=worker, engines=worker.engines)


def test_what_one_worker_failed_another_gets(owner: User) -> None:
    """Pitfall 46: a worker with too little memory burned all three attempts of each job."""
    bad, good = live_worker(), live_worker()
    job = fail(make_job(owner), bad)
    assert next_of(bad) is None
    taken = next_of(good)
    assert taken is not None
    assert taken.pk == job.pk


def test_it_takes_the_next_job_meanwhile(owner: User) -> None:
    bad, _ = live_worker(), live_worker()
    fail(make_job(owner), bad)
    behind = make_job(owner)
    taken = next_of(bad)
    assert taken is not None
    assert taken.pk == behind.pk


@pytest.mark.parametrize(
    "other",
    [
        {"pools": ["video_fast"]},
        {"enabled": False},
        {"draining": True},
        {"last_seen_at": None},
        {"last_seen_at": Now() - timedelta(minutes=2)},
        None,
    ],
)
def test_where_no_other_can_the_same_tries_again(owner: User, other: dict[str, object] | None) -> None:
    only = live_worker()
    if other is not None:
        live_worker(**other)  # type: ignore[arg-type]  # of several kinds
    job = fail(make_job(owner), only)
    assert job.elsewhere_until is None
    assert next_of(only) is not None


def test_no_job_waits_longer_for_another_worker_than_so_long(owner: User) -> None:
    """The other may have gone away, or make a film."""
    bad, _ = live_worker(), live_worker()
    job = fail(make_job(owner), bad)
    Job.objects.update(elsewhere_until=F("elsewhere_until") - timedelta(seconds=ELSEWHERE_SECONDS / 2))
    assert next_of(bad) is None
    Job.objects.update(elsewhere_until=F("elsewhere_until") - timedelta(seconds=ELSEWHERE_SECONDS))
    taken = next_of(bad)
    assert taken is not None
    assert taken.pk == job.pk


def test_a_lost_lease_goes_elsewhere_and_a_job_given_back_does_not(owner: User) -> None:
    bad, good = live_worker(), live_worker()
    job = make_job(owner)
    leased = lease_next(bad)
    assert leased.lease_token
    release(worker=bad, job_id=job.pk, lease_token=leased.lease_token)
    assert fresh(job).elsewhere_until is None
    lease_next(bad)
    Job.objects.update(lease_expires_at=F("created_at") - timedelta(days=1))
    assert reap() == 1
    Job.objects.update(retry_at=None)
    assert next_of(bad) is None
    assert next_of(good) is not None


def test_the_owners_retry_goes_elsewhere_too(owner: User) -> None:
    bad, good = live_worker(), live_worker()
    job = make_job(owner)
    leased = lease_next(bad)
    call_back(leased, failed(leased, 0))
    retry(owner_id=owner.pk, job_id=job.pk)
    assert next_of(bad) is None
    assert next_of(good) is not None


def test_a_worker_that_failed_many_is_given_what_waits_behind_them_by_the_others(
    owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A probe reads a bounded number of jobs: the others' turn, not an endless walk."""
    bad, good = live_worker(), live_worker()
    for _ in range(9):
        make_job(make_user())
    Job.objects.update(elsewhere_until=Now() + timedelta(minutes=5), leased_by=bad)
    behind = make_job(owner)
    Job.objects.filter(pk=behind.pk).update(fair_tag=10**6)
    assert next_of(bad) is None
    with django_assert_num_queries(6):
        assert next_of(good) is not None


def test_what_a_killed_process_had_in_hand_goes_to_its_next_process_too(owner: User) -> None:
    """The other worker may be in the middle of a film."""
    killed, _ = live_worker(), live_worker()
    job = make_job(owner)
    lease_next(killed)
    call_back(fresh(job), status="failed")
    Job.objects.update(retry_at=None)
    assert next_of(killed) == job
