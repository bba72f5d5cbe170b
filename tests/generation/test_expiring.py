"""Heartbeats, leases that end, and jobs given back."""

from __future__ import annotations

import asyncio
import errno
import threading
import uuid

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import (
    DatabaseError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.test import Client

from generation.changes import feed
from generation.core.clock import from_now
from generation.core.errors import JobNotFound, LeaseLost
from generation.jobs.lease import heartbeat, lease, reap, release
from generation.models import Attempt, Job, Uptime, Worker
from generation.queue import reap_hold
from generation.worker_api.authentication import WorkerTokenAuthentication
from tests.factories import call_back, completed, failed, fresh, lease_next, make_job, make_worker


@pytest.fixture
def job(owner: User, worker: Worker) -> Job:
    make_job(owner, quantity=3)
    return lease_next(worker)


def beat(job: Job, **fields: object) -> str:
    given = {"lease_token": job.lease_token, "progress": 40, "stage": "sampling"} | fields
    return heartbeat(worker=job.leased_by, job_id=job.pk, **given)  # type: ignore[arg-type] # named by the test


def let_expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1))


def at_once(job: Job) -> None:
    """Past the pause before the next attempt."""
    Job.objects.filter(pk=job.pk).update(retry_at=None)


def give_back(job: Job) -> None:
    release(worker=job.leased_by, job_id=job.pk, lease_token=job.lease_token)


def test_a_heartbeat_renews_the_lease_and_tells_how_far_it_is(job: Job) -> None:
    let_expire(job)
    assert beat(job) == "continue"
    assert reap() == 0
    now = fresh(job)
    assert (now.status, now.progress, now.stage) == ("processing", 40, "sampling")


def served(*, since: float, last: float) -> None:
    """Web processes have served without a gap from `since` to `last` seconds ago."""
    Uptime.objects.all().delete()
    Uptime.objects.create(since=from_now(-since), last_beat_at=from_now(-last))


def test_while_nobody_serves_no_lease_is_lost(job: Job) -> None:
    """pitfall 48: whoever reaps; a worker cannot renew what it holds."""
    let_expire(job)
    served(since=1000, last=150)
    assert reap() == 0
    served(since=1000, last=1)
    assert reap() == 1


def test_after_an_outage_no_lease_is_lost_before_its_worker_could_renew_it(job: Job) -> None:
    """pitfall 14: what it made while we were away is still wanted."""
    let_expire(job)
    served(since=1000, last=150)
    reap_hold.beat()
    reap_hold.beat()
    assert reap() == 0
    assert lease(worker=make_worker(), engines=["sdxl", "wan"]) is None
    assert beat(job) == "continue"
    let_expire(job)
    served(since=61, last=1)
    assert reap() == 1


def test_a_short_pause_is_no_outage(job: Job) -> None:
    let_expire(job)
    served(since=1000, last=10)
    reap_hold.beat()
    assert reap() == 1


def test_a_server_that_starts_for_the_first_time_begins_a_hold(job: Job) -> None:
    let_expire(job)
    reap_hold.beat()
    assert reap() == 0


def test_after_a_database_or_a_disk_that_was_away_the_next_beat_begins_a_hold(
    job: Job, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short it was: callers have met it."""
    let_expire(job)
    served(since=1000, last=1)
    with monkeypatch.context() as broken:
        broken.setattr(WorkerTokenAuthentication, "authenticate", _no_space)
        assert client.post("/api/v1/worker/lease").status_code == 503
    reap_hold.beat()
    assert reap() == 0
    served(since=1000, last=1)
    reap_hold.beat()
    assert reap() == 1


@pytest.mark.parametrize("error", [OperationalError, InternalError])
def test_a_beat_that_could_not_be_written_is_made_up_for(job: Job, error: type[DatabaseError]) -> None:
    """PostgreSQL calls it internal when it takes no writes, as a standby does."""

    def away(*_: object) -> None:
        raise error

    let_expire(job)
    served(since=1000, last=1)
    with pytest.raises(error), transaction.atomic(), connection.execute_wrapper(away):
        reap_hold.beat()
    reap_hold.beat()
    assert reap() == 0


async def test_a_server_goes_on_beating_whatever_the_database_said(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    """If it stopped, no lease would be reaped until it is started again."""
    from ourvidz.server import send_beats  # here: it installs Twisted's reactor

    settings.LEASE_SECONDS = 1
    errors: list[type[DatabaseError]] = [OperationalError, InternalError, ProgrammingError]
    beat_again = threading.Event()

    def beat_or_fail() -> None:
        if errors:
            raise errors.pop()
        beat_again.set()

    monkeypatch.setattr(reap_hold, "beat", beat_or_fail)
    serving = asyncio.create_task(send_beats())
    assert await asyncio.to_thread(beat_again.wait, 5)
    serving.cancel()


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_heartbeat_is_no_change_in_the_feed(job: Job) -> None:
    before = feed.position(job.owner_id).revision
    beat(job)
    assert feed.position(job.owner_id).revision == before


def test_a_long_stage_is_cut(job: Job) -> None:
    beat(job, stage="x" * 500)
    assert fresh(job).stage == "x" * 40


def test_a_heartbeat_of_somebody_else_is_refused(job: Job) -> None:
    """pitfall 17"""
    with pytest.raises(LeaseLost):
        beat(job, lease_token=uuid.uuid4())
    with pytest.raises(JobNotFound):
        heartbeat(worker=make_worker(), job_id=job.pk, lease_token=job.lease_token, progress=1, stage="")
    assert fresh(job).progress == 0


def test_after_the_end_a_heartbeat_is_refused(job: Job) -> None:
    call_back(job, *[completed(job, slot) for slot in range(3)])
    with pytest.raises(LeaseLost):
        beat(job)


def test_a_late_worker_that_nobody_replaced_is_welcome(job: Job) -> None:
    """Expiry is written by the reaper, not read off the clock."""
    let_expire(job)
    assert call_back(job, completed(job, 0), status="processing").accepted == [0]
    let_expire(job)
    assert beat(job) == "continue"


def test_the_reaper_queues_the_job_again_after_a_pause(job: Job) -> None:
    """pitfall 12: the worker died, the job is not lost."""
    let_expire(job)
    assert reap() == 1
    now = fresh(job)
    assert (now.status, now.attempts_left, now.progress, now.lease_expires_at) == ("queued", 2, 0, None)
    assert now.retry_at is not None
    assert {slot.status for slot in now.slots} == {"queued"}
    assert lease(worker=make_worker(), engines=["sdxl"]) is None
    assert reap() == 0


def test_after_the_reaper_the_worker_is_refused(job: Job) -> None:
    """pitfall 16"""
    let_expire(job)
    late = completed(job, 0)
    reap()
    with pytest.raises(LeaseLost):
        beat(job)
    with pytest.raises(LeaseLost):
        call_back(job, late)
    with pytest.raises(LeaseLost):
        give_back(job)
    assert {slot.status for slot in fresh(job).slots} == {"queued"}


def test_what_was_delivered_before_the_worker_died_stays(job: Job) -> None:
    call_back(job, completed(job, 1), status="processing")
    let_expire(job)
    reap()
    assert [slot.status for slot in fresh(job).slots] == ["queued", "completed", "queued"]


def test_a_job_that_kills_every_worker_ends(job: Job) -> None:
    """A poison job: failed after its attempts, with the reason on every slot."""
    for attempt in (1, 2, 3):
        assert fresh(job).attempt == attempt
        let_expire(job)
        assert reap() == 1
        at_once(job) if attempt < 3 else None
        assert (lease(worker=make_worker(), engines=["sdxl"]) is not None) == (attempt < 3)
    now = fresh(job)
    assert (now.status, now.error_code) == ("failed", "worker_lost")
    assert {(slot.status, slot.error_code) for slot in now.slots} == {("failed", "worker_lost")}


def test_an_earlier_error_of_a_slot_is_kept_when_the_last_worker_dies(job: Job) -> None:
    call_back(job, failed(job, 0, retryable=True), status="processing")
    Job.objects.filter(pk=job.pk).update(attempts_left=0)
    let_expire(job)
    reap()
    assert [slot.error_code for slot in fresh(job).slots] == ["out_of_memory", "worker_lost", "worker_lost"]


def test_a_worker_that_died_after_the_last_slot_leaves_a_completed_job(job: Job) -> None:
    call_back(job, *[completed(job, slot) for slot in range(3)], status="processing")
    let_expire(job)
    reap()
    assert (fresh(job).status, fresh(job).error_code) == ("completed", "")


def test_with_some_delivered_the_end_is_partial(job: Job) -> None:
    call_back(job, completed(job, 2), status="processing")
    Job.objects.filter(pk=job.pk).update(attempts_left=0)
    let_expire(job)
    reap()
    assert [slot.status for slot in fresh(job).slots] == ["failed", "failed", "completed"]
    assert fresh(job).status == "partial"


def test_reaping_is_bounded_and_takes_the_longest_overdue(owner: User, worker: Worker) -> None:
    jobs = [make_job(owner) for _ in range(3)]
    for _ in jobs:
        lease_next(worker)
    for age, job in enumerate(jobs):
        Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-100 + age))
    assert reap(limit=2) == 2
    assert [fresh(job).status for job in jobs] == ["queued", "queued", "processing"]


def test_any_lease_call_reaps(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(attempts_left=0)
    let_expire(job)
    lease(worker=make_worker(), engines=["wan"])
    assert fresh(job).status == "failed"


def test_the_pause_doubles(owner: User, worker: Worker) -> None:
    make_job(owner)
    pauses = []
    for _ in range(2):
        job = lease_next(worker)
        let_expire(job)
        reap()
        later = fresh(job)
        Job.objects.filter(pk=job.pk).update(lease_token=None, created_at=from_now(0))
        pauses.append((later.retry_at - fresh(job).created_at).total_seconds())
        at_once(job)
    assert 0 < pauses[0] <= 5
    assert 5 < pauses[1] <= 10


def test_a_job_given_back_costs_no_attempt_and_waits_for_nothing(job: Job) -> None:
    give_back(job)
    now = fresh(job)
    assert (now.status, now.attempts_left, now.retry_at, now.lease_token) == ("queued", 3, None, None)
    again = lease_next(make_worker())
    assert (again.pk, again.attempt) == (job.pk, 2)
    assert Attempt.objects.get(job=job, number=1).outcome == "released"


def test_giving_back_the_last_attempt_keeps_it(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(attempts_left=0)
    give_back(job)
    assert (fresh(job).status, fresh(job).attempts_left) == ("queued", 1)


def test_giving_back_keeps_what_was_delivered(job: Job) -> None:
    call_back(job, *[completed(job, slot) for slot in range(3)], status="processing")
    give_back(job)
    assert fresh(job).status == "completed"


def test_giving_back_twice_or_what_has_ended(owner: User, worker: Worker, job: Job) -> None:
    give_back(job)
    with pytest.raises(LeaseLost):
        give_back(job)
    again = lease_next(worker)
    call_back(again, *[completed(again, slot) for slot in range(3)])
    give_back(again)  # the job has ended: nothing to give back, nothing wrong
    assert fresh(job).status == "completed"


def test_only_the_holder_gives_back(job: Job) -> None:
    with pytest.raises(JobNotFound):
        release(worker=make_worker(), job_id=job.pk, lease_token=job.lease_token)
    assert fresh(job).status == "processing"
