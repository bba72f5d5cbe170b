"""A job whose model is loaded may go before the best one, within bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now

from generation.jobs.lease import lease
from generation.models import FairnessClock, Job, Worker
from generation.queue.warm_preference import MAX_AHEAD
from tests.factories import make_job, make_user, make_worker

WARM, COLD = "sdxl_image_high", "sdxl_image_fast"


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker(engines=["sdxl"])


def waiting(pool: str, tag: int, owner: User | None = None, **fields: object) -> Job:
    job = make_job(owner or make_user(), pool)
    Job.objects.filter(pk=job.pk).update(fair_tag=tag, **fields)
    return job


def taken(worker: Worker, warm: tuple[str, ...] = (WARM,)) -> str:
    """The pool of the job that the worker gets."""
    job = lease(worker=worker, engines=["sdxl"], warm=warm)
    return job.pool if job else ""


def ahead(worker: Worker) -> int:
    return Worker.objects.get(pk=worker.pk).preferred_claims


def test_a_warm_pools_job_goes_first(worker: Worker) -> None:
    waiting(COLD, 10), waiting(WARM, 900)
    assert [taken(worker), taken(worker)] == [WARM, COLD]


def test_without_a_warm_pool_the_order_is_as_before(worker: Worker) -> None:
    waiting(COLD, 10), waiting(WARM, 900)
    assert [taken(worker, ()), taken(worker, ())] == [COLD, WARM]
    assert ahead(worker) == 0


def test_a_warm_pool_that_is_not_offered_counts_for_nothing(worker: Worker) -> None:
    waiting(COLD, 10)
    assert lease(worker=worker, engines=["sdxl"], pools=[COLD], warm=["video_fast", WARM]) is not None
    assert ahead(worker) == 0


def test_a_worker_goes_ahead_of_the_order_so_far_and_no_further(worker: Worker) -> None:
    """Pitfall 13: a stream of jobs for the loaded model starves nobody."""
    waiting(COLD, 10), waiting(COLD, 11), waiting(WARM, 900), waiting(WARM, 901)
    Worker.objects.update(preferred_claims=MAX_AHEAD - 1, preferred_since=Now())
    assert taken(worker) == WARM
    assert ahead(worker) == MAX_AHEAD
    # Once would not do: after each of them it could be passed over so often again.
    assert [taken(worker), taken(worker)] == [COLD, COLD]
    assert ahead(worker) == MAX_AHEAD
    assert taken(worker) == WARM
    assert ahead(worker) == 0


def test_nor_for_longer_than_a_minute(worker: Worker) -> None:
    waiting(COLD, 10), waiting(COLD, 11), waiting(WARM, 900), waiting(WARM, 901)
    assert taken(worker) == WARM
    Worker.objects.update(preferred_since=F("preferred_since") - timedelta(seconds=61))
    assert [taken(worker), taken(worker), taken(worker)] == [COLD, COLD, WARM]
    assert Worker.objects.get().preferred_since is None


def test_a_raised_priority_is_never_passed_over(worker: Worker) -> None:
    waiting(COLD, 10, priority=1), waiting(WARM, 900, priority=1), waiting(WARM, 5)
    assert [taken(worker) for _ in range(3)] == [COLD, WARM, WARM]
    assert ahead(worker) == 0


def test_nor_is_a_deadline(worker: Worker) -> None:
    soon = Now() + timedelta(minutes=1)
    waiting(COLD, 10, deadline_at=soon), waiting(WARM, 900)
    assert [taken(worker), taken(worker)] == [COLD, WARM]


def test_a_deadline_behind_the_warm_job_holds_nothing_up(worker: Worker) -> None:
    """Of two pools that are not warm, the second has the deadline, and its turn is later anyway."""
    style = f"{COLD}+style"
    waiting(COLD, 10)
    late = waiting(COLD, 2000)
    Job.objects.filter(pk=late.pk).update(pool=style, deadline_at=Now() + timedelta(hours=1))
    waiting(WARM, 900)
    job = lease(worker=worker, engines=["sdxl"], pools=[COLD, WARM, style], warm=[WARM])
    assert job is not None
    assert job.pool == WARM


def test_what_is_passed_over_keeps_its_clock(worker: Worker) -> None:
    """The clock of a pool never runs past the tag of a job that waits at its head."""
    waiting(COLD, 10), waiting(WARM, 900)
    assert taken(worker) == WARM
    clocks = dict(FairnessClock.objects.values_list("pool", "virtual_time"))
    assert clocks == {WARM: 900}


def test_each_worker_is_counted_by_itself(worker: Worker) -> None:
    other = make_worker(engines=["sdxl"])
    waiting(COLD, 10), waiting(WARM, 900), waiting(WARM, 901)
    assert [taken(worker), taken(other)] == [WARM, WARM]
    assert (ahead(worker), ahead(other)) == (1, 1)
