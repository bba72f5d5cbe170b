"""Queue positions with estimated start and end, from the measured speeds of the live workers."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Now

from generation.catalog.job_types import JOB_TYPES
from generation.models import Job, JobStatus, Worker, WorkerSpeed

ALIVE_SECONDS = 60
# Jobs further back get no position.
WINDOW = 200
# The weight of the newest lease in a worker's moving average.
WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A queued job's position: 1 is next; None is beyond the window.

    Seconds are None while unknown. `served` is False when no live worker offers the job's pool.
    """

    position: int | None
    starts_in: int | None
    done_in: int | None
    served: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """The capacity of the live workers: how many serve each pool, and how fast they are."""

    workers_of: Mapping[str, int]
    seconds_of: Mapping[str, float]

    def seconds(self, job_type: str, slots: int) -> float:
        """Expected run time of `slots` results: as measured, else the job type's own estimate."""
        measured = self.seconds_of.get(job_type)
        return measured * slots if measured else JOB_TYPES[job_type].estimate(slots)


def live_workers() -> QuerySet[Worker]:
    """Workers seen in the last minute that take jobs."""
    seen = Worker.objects.enabled().filter(last_seen_at__gte=Now() - timedelta(seconds=ALIVE_SECONDS))
    return seen.filter(draining=False)


def live_capacity() -> Capacity:
    """The live workers with their mean speed for each job type; two queries."""
    alive = list(live_workers())
    workers_of: dict[str, int] = defaultdict(int)
    for worker in alive:
        for pool in worker.pools:
            workers_of[pool] += 1
    speeds: dict[str, list[float]] = defaultdict(list)
    for speed in WorkerSpeed.objects.filter(worker__in=alive):
        speeds[speed.job_type].append(speed.seconds)
    return Capacity(workers_of, {name: sum(all_) / len(all_) for name, all_ in speeds.items()})


def queue_positions(jobs: Iterable[Job]) -> dict[uuid.UUID, QueuePosition]:
    """The positions of those jobs that are queued; the queries do not grow with them."""
    queued = [job for job in jobs if job.status == JobStatus.QUEUED]
    if not queued:
        return {}
    capacity = live_capacity()
    found: dict[uuid.UUID, QueuePosition] = {}
    for engine in sorted({job.engine for job in queued}):
        found |= _positions_in(engine, [job for job in queued if job.engine == engine], capacity)
    return found


def _positions_in(engine: str, queued: Sequence[Job], capacity: Capacity) -> dict[uuid.UUID, QueuePosition]:
    line = Job.objects.claimable().filter(engine=engine).order_by(F("priority").desc(), "fair_tag", "id")
    ahead: dict[uuid.UUID, tuple[int, float]] = {}
    position, seconds = 1, 0.0
    for job_id, pool, job_type, quantity in line.values_list("pk", "pool", "job_type", "quantity")[:WINDOW]:
        ahead[job_id] = position, seconds
        # A job that no live worker can do delays nobody.
        if pool in capacity.workers_of or not capacity.workers_of:
            position, seconds = position + 1, seconds + capacity.seconds(job_type, quantity)
    return {job.pk: _position(job, ahead.get(job.pk), capacity) for job in queued}


def _position(job: Job, ahead: tuple[int, float] | None, capacity: Capacity) -> QueuePosition:
    workers = capacity.workers_of.get(job.pool, 0)
    if ahead is None or not workers:
        return QueuePosition(ahead[0] if ahead else None, None, None, served=workers > 0)
    position, seconds = ahead
    starts_in = seconds / workers
    done_in = starts_in + capacity.seconds(job.job_type, job.quantity)
    return QueuePosition(position, round(starts_in), max(1, round(done_in)), served=True)


@transaction.atomic
def record_benchmark(*, worker: Worker, seconds: Mapping[str, float], with_: str) -> None:
    """Store a worker's benchmark (s for one result, by job type) as its speed until its first finished lease.

    `with_` is the software and the device that it was measured with.
    """
    Worker.objects.filter(pk=worker.pk).update(benchmarked_at=Now(), benchmarked_with=with_[:250])
    speeds = [
        WorkerSpeed(worker=worker, job_type=name, seconds=of_one, benchmark=of_one, samples=0)
        for name, of_one in seconds.items()
    ]
    WorkerSpeed.objects.bulk_create(
        speeds, update_conflicts=True, unique_fields=["worker", "job_type"], update_fields=["benchmark"]
    )
    untried = WorkerSpeed.objects.filter(worker=worker, job_type__in=list(seconds), samples=0)
    untried.update(seconds=F("benchmark"))


def record_run(*, worker: Worker, job_type: str, seconds: float, slots: int) -> None:
    """Update the worker's mean by one finished lease of `slots` results; the first replaces its benchmark."""
    if slots < 1 or seconds <= 0:
        return
    sample = seconds / slots
    mine = WorkerSpeed.objects.filter(worker=worker, job_type=job_type)
    mean = F("seconds") * (1 - WEIGHT) + sample * WEIGHT
    moved = Case(When(samples=0, then=Value(sample)), default=mean)
    if not mine.update(seconds=moved, samples=F("samples") + 1):
        WorkerSpeed.objects.bulk_create(
            [WorkerSpeed(worker=worker, job_type=job_type, seconds=sample)], ignore_conflicts=True
        )
