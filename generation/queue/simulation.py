"""The claim, simulated: which worker begins which waiting job, and when. Pure functions."""

from __future__ import annotations

import heapq
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from generation.catalog.job_types import JOB_TYPES

# Claims that are simulated at most; a job behind them gets a lower bound.
MAX_CLAIMS = 500
# Of each pool a claim looks at so many, for the first that its worker may have (queue.heads).
PROBED = 8


class ClaimOrder(NamedTuple):
    """What orders waiting jobs: as the index of the claim does (queue.claim)."""

    minus_priority: int
    fair_tag: int
    job_id: uuid.UUID


class WaitingJob(NamedTuple):
    """A claimable job; `slots` are still to be made. `kept_from` may not have it for `kept_for` s."""

    order: ClaimOrder
    pool: str
    job_type: str
    slots: int
    model: str = ""
    kept_from: uuid.UUID | None = None
    kept_for: float = 0.0

    def is_kept_from(self, worker_id: uuid.UUID, now: float) -> bool:
        return self.kept_from == worker_id and now < self.kept_for

    @property
    def job_id(self) -> uuid.UUID:
        return self.order.job_id

    @property
    def engine(self) -> str:
        return JOB_TYPES[self.job_type].engine


@dataclass(frozen=True, slots=True)
class Line:
    """A pool's first waiting jobs, in the order of the claim. `is_cut`: more wait behind them."""

    jobs: Sequence[WaitingJob]
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedWorker:
    """A live worker: when it asks for its next job (s from now), and the pools that it offers."""

    id: uuid.UUID
    free_in: float
    pools: frozenset[str]


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A waiting job's run. `ahead` are the waiting jobs that its workers begin before it; s from now."""

    ahead: int
    starts_in: float
    seconds: float

    @property
    def done_in(self) -> float:
        return self.starts_in + self.seconds


@dataclass(frozen=True, slots=True)
class Simulation:
    """The simulated runs, by job, and for each pool how far the simulation came: claims, and s from now."""

    runs: Mapping[uuid.UUID, SimulatedRun]
    claims_of: Mapping[str, int]
    reached: Mapping[str, float]


# Sorts behind every job.
_NOTHING = ClaimOrder(2**31, 0, uuid.UUID(int=0))
RunTime = Callable[[uuid.UUID, WaitingJob], float]


class _Heads:
    """The lines with what still waits in each, and the order of each head."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self.lines = {pool: line for pool, line in lines.items() if line.jobs}
        self.waiting = {pool: list(line.jobs) for pool, line in self.lines.items()}
        self.order = {pool: line.jobs[0].order for pool, line in self.lines.items()}
        self.with_kept = {
            pool for pool, line in self.lines.items() if any(job.kept_from for job in line.jobs)
        }

    def best(self, worker_id: uuid.UUID, pools: Sequence[str], now: float) -> str | None:
        """The pool that the worker's next claim takes from; None when nothing waits for it in any."""
        order = self.order
        if mine := self.with_kept.intersection(pools):
            order = order | {pool: self._order_for(worker_id, pool, now) for pool in mine}
        pool = min(pools, key=order.__getitem__, default=None)
        return pool if pool and order[pool] < _NOTHING else None

    def take(self, worker_id: uuid.UUID, pool: str, now: float) -> WaitingJob | None:
        """The head of a pool where something waits; None for one that was not read."""
        waiting = self.waiting[pool]
        number = self._number(worker_id, pool, now)
        if number is None:
            return None
        job = waiting.pop(number)
        self.order[pool] = waiting[0].order if waiting else self._order_behind(pool)
        return job

    def kept_until(self, worker_id: uuid.UUID, pools: Sequence[str], now: float) -> float | None:
        """When this worker may have the first of the jobs that are kept from it."""
        probed = [job for pool in self.with_kept.intersection(pools) for job in self.waiting[pool][:PROBED]]
        return min((job.kept_for for job in probed if job.is_kept_from(worker_id, now)), default=None)

    def _number(self, worker_id: uuid.UUID, pool: str, now: float) -> int | None:
        probed = self.waiting[pool][:PROBED]
        return next((n for n, job in enumerate(probed) if not job.is_kept_from(worker_id, now)), None)

    def _order_for(self, worker_id: uuid.UUID, pool: str, now: float) -> ClaimOrder:
        number = self._number(worker_id, pool, now)
        if number is not None:
            return self.waiting[pool][number].order
        return _NOTHING if len(self.waiting[pool]) >= PROBED else self._order_behind(pool)

    def _order_behind(self, pool: str) -> ClaimOrder:
        """What was not read comes behind the last that was."""
        line = self.lines[pool]
        return line.jobs[-1].order if line.is_cut else _NOTHING


def simulate(
    workers: Sequence[SimulatedWorker],
    lines: Mapping[str, Line],
    run_time: RunTime,
    max_claims: int = MAX_CLAIMS,
) -> Simulation:
    """Let the workers claim the waiting jobs one after the other, each as soon as it is free.

    A worker whose next job was not read takes no further part: what nobody else begins has no run, and begins
    no sooner than `reached` of its pool.
    """
    heads = _Heads(lines)
    offers = {worker.id: sorted(worker.pools & heads.lines.keys()) for worker in workers}
    free = [(worker.free_in, number, worker) for number, worker in enumerate(workers)]
    heapq.heapify(free)
    runs: dict[uuid.UUID, SimulatedRun] = {}
    claims_of: dict[str, int] = defaultdict(int)
    reached: dict[str, float] = {}
    while free and len(runs) < max_claims:
        now, number, worker = heapq.heappop(free)
        pool = heads.best(worker.id, offers[worker.id], now)
        if pool is None:
            if kept_until := heads.kept_until(worker.id, offers[worker.id], now):
                heapq.heappush(free, (kept_until, number, worker))
            continue
        job = heads.take(worker.id, pool, now)
        if job is None:
            reached = dict.fromkeys(offers[worker.id], now) | reached
            continue
        seconds = run_time(worker.id, job)
        # Of several that are free at once, chance decides which is first.
        rivals = [
            other.id
            for free_in, _, other in free
            if free_in == now and pool in other.pools and not job.is_kept_from(other.id, now)
        ]
        expected = fmean([seconds, *(run_time(rival, job) for rival in rivals)]) if rivals else seconds
        runs[job.job_id] = SimulatedRun(claims_of[pool], now, expected)
        for each in offers[worker.id]:
            claims_of[each] += 1
        heapq.heappush(free, (now + seconds, number, worker))
    for free_in, _, worker in sorted(free, key=lambda entry: entry[:2]):
        reached = dict.fromkeys(offers[worker.id], free_in) | reached
    return Simulation(runs, claims_of, reached)
