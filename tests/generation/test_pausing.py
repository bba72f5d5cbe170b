"""An owner's paused queue: nothing of it is begun, whatever comes to wait, and no turn is saved up."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.catalog.job_types import JOB_TYPES
from generation.core.clock import from_now
from generation.jobs import pausing
from generation.jobs.lease import lease, promote, reap, release
from generation.jobs.pausing import follow_pauses
from generation.models import FairnessClock, Job, OwnerCounter
from generation.queue.estimates import forecast, queue_positions
from tests.acting import cancel, cancel_job, pause, resume, retry, run_again, undo_cancel
from tests.factories import call_back, failed, fresh, lease_next, make_job, make_user, make_worker

pytestmark = pytest.mark.django_db
BOTH = ("sdxl", "wan")


def held() -> int:
    return Job.objects.held().count()


def in_order(owner: User) -> list[str]:
    return list(Job.objects.of(owner.pk).waiting().values_list("prompt", flat=True))


def test_nothing_that_waits_or_comes_to_wait_is_begun_until_the_queue_is_resumed() -> None:
    owner, other, worker = make_user(), make_user(), make_worker()
    running, expiring = make_job(owner, prompt="released"), make_job(owner, prompt="expiring")
    for _ in (running, expiring):
        lease_next(worker)
    leased, late = fresh(running), fresh(expiring)
    stopped = make_job(owner, prompt="stopped")
    undo = cancel_job(owner_id=owner.pk, job_id=stopped.pk).undo
    lost = make_job(owner, prompt="lost")
    cancel(owner_id=owner.pk, job_id=lost.pk)
    waiting, theirs = make_job(owner, prompt="waiting"), make_job(other)
    assert pause(owner_id=owner.pk)
    assert not pause(owner_id=owner.pk), "it was"
    assert held() == 1
    release(worker=worker, job_id=leased.pk, lease_token=leased.lease_token)
    Job.objects.filter(pk=late.pk).update(lease_expires_at=from_now(-1))
    assert reap() == 1
    Job.objects.filter(pk=late.pk).update(retry_at=from_now(-1))
    promote()
    assert undo_cancel(owner_id=owner.pk, revisions=[undo]) == 1
    retry(owner_id=owner.pk, job_id=lost.pk)
    run_again(owner_id=owner.pk, job_id=waiting.pk)
    assert held() == 6
    assert lease_next(worker).pk == theirs.pk
    assert lease(worker=worker, engines=BOTH) is None
    cancel(owner_id=owner.pk, job_id=lost.pk)
    assert fresh(lost).held_at is None

    assert resume(owner_id=owner.pk)
    assert not resume(owner_id=owner.pk)
    assert held() == 0
    assert len([lease_next(worker) for _ in range(5)]) == 5


def test_what_runs_goes_on_and_what_is_left_of_it_waits_with_the_others() -> None:
    owner, worker = make_user(), make_worker()
    make_job(owner)
    job = lease_next(worker)
    pause(owner_id=owner.pk)
    call_back(job, failed(job, 0, retryable=True))
    after = fresh(job)
    assert (after.status, after.held_at is not None, after.retry_at is not None) == ("queued", True, True)


def test_a_pause_saves_up_no_turns_and_keeps_the_order() -> None:
    """Pitfall 13"""
    owner, other, worker = make_user(), make_user(), make_worker()
    mine = [make_job(owner, prompt=f"mine {number}") for number in range(3)]
    theirs = [make_job(other, prompt=f"theirs {number}") for number in range(12)]
    tags = [job.fair_tag for job in mine]
    pause(owner_id=owner.pk)
    resume(owner_id=owner.pk)
    assert [fresh(job).fair_tag for job in mine] == tags, "nothing was begun: nothing is lost"
    pause(owner_id=owner.pk)
    for job in theirs[:6]:
        assert lease_next(worker).pk == job.pk
    resume(owner_id=owner.pk)
    now = FairnessClock.objects.get(pk=mine[0].pool).virtual_time
    cost = JOB_TYPES[mine[0].job_type].estimate(1)
    assert [fresh(job).fair_tag for job in mine] == [now, now + cost, now + 2 * cost]
    assert in_order(owner) == ["mine 0", "mine 1", "mine 2"]
    taken = [lease_next(worker).owner_id for _ in range(6)]
    assert taken.count(owner.pk) == 3, "in turns with the other, from now on"
    assert make_job(owner).fair_tag >= now


@pytest.mark.parametrize("broken_off", ["pause", "resume"])
def test_what_was_broken_off_is_finished_by_the_chores(
    broken_off: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = make_user()
    monkeypatch.setattr(pausing, "BATCH", 2)
    jobs = [make_job(owner, prompt=f"{number}") for number in range(5)]
    assert follow_pauses() == 0
    pause(owner_id=owner.pk)
    if broken_off == "resume":
        tag = 10 * max(fresh(job).fair_tag for job in jobs)
        FairnessClock.objects.update_or_create(pool=jobs[0].pool, defaults={"virtual_time": tag})
        resume(owner_id=owner.pk)
        after = [fresh(job).fair_tag for job in jobs]
        cost = jobs[0].type.estimate(1)
        assert after == [tag + number * cost for number in range(5)], "batches follow one another"
        paused_at = None
        Job.objects.filter(prompt__in="34").update(held_at=from_now(-1))
    else:
        paused_at = OwnerCounter.objects.get().queue_paused_at
        Job.objects.filter(prompt__in="34").update(held_at=None)
    assert follow_pauses() == 2
    assert set(Job.objects.values_list("held_at", flat=True)) == {paused_at}
    assert in_order(owner) == list("01234")


def test_estimates_say_that_the_queue_is_paused_and_leave_its_jobs_out() -> None:
    owner, other, worker = make_user(), make_user(), make_worker()
    lease(worker=worker, engines=BOTH)
    worker.refresh_from_db()
    type(worker).objects.update(last_seen_at=from_now(0), pools=list(JOB_TYPES))
    mine, theirs = make_job(owner), make_job(other)
    pause(owner_id=owner.pk)
    place = queue_positions([fresh(mine), theirs])
    assert (place[mine.pk].paused, place[mine.pk].position) == (True, None)
    assert (place[theirs.pk].paused, place[theirs.pk].position) == (False, 1)
    job_type = JOB_TYPES["sdxl_image_fast"]
    paused = [forecast(owner_id=who.pk, job_type=job_type, quantity=1).paused for who in (owner, other)]
    assert paused == [True, False]


def test_a_pause_of_more_jobs_costs_no_more_queries_a_batch() -> None:
    counts = []
    for number in (1, 24):
        owner = make_user()
        for _ in range(number):
            make_job(owner)
        with CaptureQueriesContext(connection) as queries:
            pause(owner_id=owner.pk)
            resume(owner_id=owner.pk)
        counts.append(len(queries))
    assert counts[0] == counts[1]
