"""Queue positions with estimated start and end, and the forecast of a job that is not submitted yet."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median

from generation.catalog.job_types import JOB_TYPES, JobType
from generation.changes import revisions
from generation.models import Job, JobStatus
from generation.queue import fairness
from generation.queue.simulation import ClaimOrder, Line, Simulation, WaitingJob
from generation.queue.snapshot import Snapshot

# Sorts behind every job with the same tag, as the newest does.
_NEWEST = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A queued job's position: 1 is next; None is further back than is read.

    Seconds are None while unknown; `runs_for` is of the run alone. `served` is False when no live worker
    offers the job's pool. A job without a position starts no sooner than `not_before`, behind at least
    `ahead` others. Of a job that a pause of its owner's queue holds, `paused`, nothing else is known.
    """

    position: int | None
    starts_in: int | None
    done_in: int | None
    served: bool
    runs_for: int | None = None
    not_before: int | None = None
    ahead: int | None = None
    paused: bool = False


def queue_positions(jobs: Iterable[Job], snapshot: Snapshot | None = None) -> dict[uuid.UUID, QueuePosition]:
    """The positions of those jobs that are queued; the queries do not grow with them."""
    queued = [job for job in jobs if job.status == JobStatus.QUEUED]
    if not queued:
        return {}
    snapshot = snapshot or Snapshot(job.pool for job in queued)
    return {job.pk: _position(job, snapshot) for job in queued}


def forecast(
    *,
    owner_id: int,
    job_type: JobType,
    quantity: int,
    references: Iterable[str] = (),
    model: str = "",
    jobs: int = 1,
    snapshot: Snapshot | None = None,
) -> QueuePosition:
    """Where a job would stand if the owner submitted it now; a constant number of queries.

    Of several jobs `done_in` is of the last, the rest of the first. A `snapshot` has the job's pool.
    """
    pool = job_type.pool(references, model)
    snapshot = snapshot or Snapshot([pool])
    if revisions.queue_paused_at(owner_id):
        return QueuePosition(None, None, None, served=pool in snapshot.served_pools, paused=True)
    if pool not in snapshot.served_pools:
        runs_for = snapshot.run_times.seconds(None, job_type.name, quantity, model)
        return QueuePosition(None, None, None, served=False, runs_for=_whole(runs_for))
    job = Job(owner_id=owner_id, job_type=job_type.name, engine=job_type.engine, pool=pool, quantity=quantity)
    cost = job_type.estimate(quantity)
    first = fairness.start_tag(job, cost=cost)
    orders = [
        ClaimOrder(0, first + number * cost, uuid.UUID(int=_NEWEST.int - number)) for number in range(jobs)
    ]
    newest = [WaitingJob(order, pool, job_type.name, quantity, model) for order in orders]
    line = snapshot.lines.get(pool, Line(()))
    if line.is_cut and orders[0] > line.jobs[-1].order:
        return _beyond(pool, snapshot.simulation)
    with_them = Line(sorted([*line.jobs, *newest], key=lambda each: each.order), line.is_cut)
    simulation = snapshot.simulate({**snapshot.lines, pool: with_them})
    position = _simulated(newest[0].job_id, pool, simulation)
    return replace(position, done_in=_simulated(newest[-1].job_id, pool, simulation).done_in)


def typical_seconds(snapshot: Snapshot, model: str = "") -> dict[str, dict[int, int]]:
    """How long each job type takes, by quantity: the median of the live workers that offer it.

    With this model where a worker offers that; elsewhere without one.
    """
    found = {}
    for name, job_type in JOB_TYPES.items():
        served = model if job_type.pool(model=model) in snapshot.served_pools else ""
        pool = job_type.pool(model=served)
        workers = [key for key, pools in snapshot.live_workers.items() if pool in pools]
        offering: list[uuid.UUID | None] = [*workers] or [None]
        found[name] = {
            quantity: _whole(
                median(snapshot.run_times.seconds(key, name, quantity, served) for key in offering)
            )
            for quantity in job_type.quantities
        }
    return found


def _position(job: Job, snapshot: Snapshot) -> QueuePosition:
    if job.held_at is not None:
        return QueuePosition(None, None, None, served=job.pool in snapshot.served_pools, paused=True)
    if job.pool not in snapshot.served_pools:
        seconds = snapshot.run_times.seconds(None, job.job_type, job.quantity, job.model)
        position = _place_without_worker(job, snapshot)
        return QueuePosition(position, None, None, served=False, runs_for=_whole(seconds))
    if job.retry_at is not None:
        return QueuePosition(None, None, None, served=True)
    return _started(job, snapshot) or _simulated(job.pk, job.pool, snapshot.simulation)


def _started(job: Job, snapshot: Snapshot) -> QueuePosition | None:
    """A job that a worker leased after its row was read."""
    running = snapshot.running.get(job.pk)
    if running is None:
        return None
    left = _whole(snapshot.seconds_left(running))
    return QueuePosition(1, 0, left, served=True, runs_for=left)


def _simulated(job_id: uuid.UUID, pool: str, simulation: Simulation) -> QueuePosition:
    run = simulation.runs.get(job_id)
    if run is None:
        return _beyond(pool, simulation)
    return QueuePosition(
        run.ahead + 1,
        round(run.starts_in),
        _whole(run.done_in),
        served=True,
        runs_for=_whole(run.seconds),
    )


def _beyond(pool: str, simulation: Simulation) -> QueuePosition:
    not_before, ahead = simulation.reached.get(pool, 0.0), simulation.claims_of.get(pool, 0)
    return QueuePosition(None, None, None, served=True, not_before=round(not_before), ahead=ahead)


def _place_without_worker(job: Job, snapshot: Snapshot) -> int | None:
    """Among the jobs that no worker is there for: of its engine without any worker, else of its pool."""
    pools = [job.pool] if snapshot.live_workers else list(snapshot.lines)
    waiting = [each for pool in pools for each in snapshot.lines.get(pool, Line(())).jobs]
    alike = sorted(each.order for each in waiting if each.engine == job.engine)
    mine = ClaimOrder(-job.priority, job.fair_tag, job.pk)
    return alike.index(mine) + 1 if mine in alike else None


def _whole(seconds: float) -> int:
    return max(1, round(seconds))
