"""One reading of the queue for one answer, bounded in rows: workers, work in progress, heads of the lines."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Q

from generation.catalog.job_types import POOLS, pool_and_model
from generation.core.clock import Now
from generation.core.sql import in_dialect, value_rows
from generation.models import AssetStatus, Attempt, JobStatus, Worker
from generation.models.worker import ALIVE_SECONDS
from generation.queue import speeds
from generation.queue.simulation import ClaimOrder, Line, SimulatedWorker, Simulation, WaitingJob, simulate
from generation.queue.speeds import RunTimes

MAX_WORKERS = 100  # those seen last
MAX_RUNNING = 500  # those leased last
MAX_WAITING = 100  # of each pool
MAX_LINES = 500  # those asked for first
# What the first seconds say of a job's pace is chance.
TELLING_SECONDS = 5.0
# A job that should be over takes this share of its expected time yet.
LEAST_SHARE = 0.05
# One probe of the claim index for each pool, as in queue.claim; only what ran before has slots to be counted.
WAITING = """
    WITH line (pool) AS (VALUES {pools})
    SELECT job.id, job.pool, job.job_type, job.model, job.priority, job.fair_tag,
        CASE WHEN job.attempt = 0 THEN job.quantity ELSE (
            SELECT COUNT(*) FROM generation_asset WHERE job_id = job.id AND status = 'queued'
        ) END, job.leased_by_id, job.elsewhere_until, {now}
    FROM line JOIN generation_job AS job ON job.id {among}
        SELECT id FROM generation_job
        WHERE status = 'queued' AND retry_at IS NULL AND held_at IS NULL AND pool = line.pool
        ORDER BY priority DESC, fair_tag, id LIMIT {limit}
    {among_end}
"""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A leased job: its worker, the slots of this attempt and how many are still open; times in s.

    `made` is the finished share, as it was said `heard_ago`.
    """

    job_id: uuid.UUID
    worker_id: uuid.UUID
    job_type: str
    model: str
    since: datetime
    slots: int
    open_slots: int
    made: float
    elapsed: float
    heard_ago: float

    def seconds_left(self, expected: float) -> float:
        """The remaining time of a run that was expected to take `expected` s, by its progress and its age."""
        least = LEAST_SHARE * expected
        if not self.made:
            return max(least, expected - self.elapsed)
        until_heard = self.elapsed - self.heard_ago
        total = expected
        if until_heard > TELLING_SECONDS:
            # The further it is, the more its own pace counts: `made` of it is until_heard / made.
            total = (1 - self.made) * expected + until_heard
        return max(least, (1 - self.made) * total - self.heard_ago)


class Snapshot:
    """What an answer needs to know of the queue. Each part is read once, when it is first asked for."""

    def __init__(self, job_pools: Iterable[str] = ()) -> None:
        """`job_pools` are read in any case, those of live workers besides."""
        self._job_pools = set(job_pools)

    @cached_property
    def _workers(self) -> dict[uuid.UUID, Worker]:
        newest = Worker.objects.enabled().order_by(F("last_seen_at").desc(nulls_last=True), "pk")
        known = newest.annotate(read_at=Now()).only("pools", "draining", "last_seen_at")[:MAX_WORKERS]
        return {worker.pk: worker for worker in known}

    @cached_property
    def live_workers(self) -> Mapping[uuid.UUID, frozenset[str]]:
        """The pools of each worker that was seen lately and takes jobs; one that stopped has none."""
        return {
            worker.pk: frozenset(worker.pools)
            for worker in self._workers.values()
            if worker.pools and _is_alive(worker) and not worker.draining
        }

    @cached_property
    def served_pools(self) -> frozenset[str]:
        return frozenset().union(*self.live_workers.values())

    @cached_property
    def served_models(self) -> frozenset[str]:
        """The models that live workers offer now."""
        return frozenset(pool_and_model(pool)[1] for pool in self.served_pools) - {""}

    @cached_property
    def running(self) -> Mapping[uuid.UUID, RunningJob]:
        """The leased jobs, by job."""
        is_open = Q(job__assets__status=AssetStatus.QUEUED)
        leases = Attempt.objects.filter(ended_at=None, job__status=JobStatus.PROCESSING)
        rows = leases.annotate(open_slots=Count("job__assets", filter=is_open), read_at=Now())
        found = rows.order_by("-leased_at", "pk").values_list(
            "job_id",
            "worker_id",
            "job__job_type",
            "job__model",
            "leased_at",
            "accepted",
            "open_slots",
            "job__progress",
            "job__lease_expires_at",
            "read_at",
        )[:MAX_RUNNING]
        return {row[0]: _running_job(*row) for row in found}

    @cached_property
    def run_times(self) -> RunTimes:
        return speeds.run_times(self._workers.keys())

    @cached_property
    def lines(self) -> Mapping[str, Line]:
        """The waiting jobs by pool: of the asked and the served pools; of all where no worker is live."""
        others = self.served_pools if self.live_workers else POOLS.keys()
        return _lines([*sorted(self._job_pools), *sorted(others - self._job_pools)][:MAX_LINES])

    @cached_property
    def simulation(self) -> Simulation:
        """The live workers' next claims."""
        return self.simulate(self.lines)

    def simulate(self, lines: Mapping[str, Line]) -> Simulation:
        """The live workers' claims from these lines."""
        busy: dict[uuid.UUID, float] = defaultdict(float)
        for running in self.running.values():
            left = self.seconds_left(running)
            busy[running.worker_id] = max(busy[running.worker_id], left)
        workers = [
            SimulatedWorker(worker_id, busy[worker_id], pools)
            for worker_id, pools in self.live_workers.items()
        ]
        return simulate(workers, lines, self._run_time)

    def seconds_left(self, running: RunningJob) -> float:
        """The remaining time of a leased job."""
        return running.seconds_left(
            self.run_times.seconds(running.worker_id, running.job_type, running.slots, running.model)
        )

    def _run_time(self, worker_id: uuid.UUID, job: WaitingJob) -> float:
        return self.run_times.seconds(worker_id, job.job_type, job.slots, job.model)


def _is_alive(worker: Worker) -> bool:
    read_at: datetime = worker.read_at  # type: ignore[attr-defined] # annotated
    return worker.last_seen_at is not None and read_at - worker.last_seen_at <= timedelta(
        seconds=ALIVE_SECONDS
    )


def _running_job(
    job_id: uuid.UUID,
    worker_id: uuid.UUID,
    job_type: str,
    model: str,
    leased_at: datetime,
    accepted: int,
    open_slots: int,
    progress: int,
    expires_at: datetime | None,
    read_at: datetime,
) -> RunningJob:
    slots = max(1, accepted + open_slots)
    elapsed = max(0.0, (read_at - leased_at).total_seconds())
    # Each sign of life renews the lease.
    assert expires_at is not None
    heard_ago = (read_at - expires_at).total_seconds() + settings.LEASE_SECONDS
    return RunningJob(
        job_id=job_id,
        worker_id=worker_id,
        job_type=job_type,
        model=model,
        since=leased_at,
        slots=slots,
        open_slots=open_slots,
        made=max(progress / 100, accepted / slots),
        elapsed=elapsed,
        heard_ago=min(max(0.0, heard_ago), elapsed),
    )


def _lines(pools: Collection[str]) -> dict[str, Line]:
    if not pools:
        return {}
    sql = in_dialect(WAITING, pools=value_rows(len(pools)), limit=str(MAX_WAITING + 1))
    jobs: dict[str, list[WaitingJob]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(sql, list(pools))
        for job_id, pool, job_type, model, priority, fair_tag, slots, *kept in cursor.fetchall():
            order = ClaimOrder(-priority, fair_tag, uuid.UUID(str(job_id)))
            jobs[pool].append(WaitingJob(order, pool, job_type, slots, model, *_kept(*kept)))
    return {pool: _line(waiting) for pool, waiting in jobs.items()}


def _kept(worker_id: uuid.UUID | str | None, until: object, now: object) -> tuple[uuid.UUID | None, float]:
    """The worker that the job is kept from, and for how many s; moments as the driver gives them."""
    if worker_id is None or until is None:
        return None, 0.0
    seconds = (_moment(until) - _moment(now)).total_seconds()
    return (uuid.UUID(str(worker_id)), seconds) if seconds > 0 else (None, 0.0)


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _line(waiting: list[WaitingJob]) -> Line:
    waiting.sort(key=lambda job: job.order)
    return Line(waiting[:MAX_WAITING], is_cut=len(waiting) > MAX_WAITING)
