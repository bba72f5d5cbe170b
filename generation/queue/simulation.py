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


class ClaimOrder(NamedTuple):
    """What orders waiting jobs: as the index of the claim does (queue.claim)."""

    minus_priority: int
    fair_tag: int
    job_id: uuid.UUID


class WaitingJob(NamedTuple):
    """A claimable job; `slots` are still to be made."""

    order: ClaimOrder
    pool: str
    job_type: str
    slots: int
    model: str = ""

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
    """The lines with how much of each is taken, and the order of each head."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self.lines = {pool: line for pool, line in lines.items() if line.jobs}
        self.taken = dict.fromkeys(self.lines, 0)
        self.order = {pool: line.jobs[0].order for pool, line in self.lines.items()}

    def best(self, pools: Sequence[str]) -> str | None:
        """The pool that the next claim takes from; None when nothing waits in any."""
        pool = min(pools, key=self.order.__getitem__, default=None)
        return pool if pool and self.order[pool] < _NOTHING else None

    def take(self, pool: str) -> WaitingJob | None:
        """The head of a pool where something waits; None for one that was not read."""
        line, taken = self.lines[pool], self.taken[pool]
        if taken == len(line.jobs):
            return None
        self.taken[pool] = taken + 1
        if taken + 1 < len(line.jobs):
            self.order[pool] = line.jobs[taken + 1].order
        elif not line.is_cut:
            self.order[pool] = _NOTHING
        # Else what was not read comes behind the last that was: its order stands.
        return line.jobs[taken]


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
        pool = heads.best(offers[worker.id])
        if pool is None:
            continue
        job = heads.take(pool)
        if job is None:
            reached = dict.fromkeys(offers[worker.id], now) | reached
            continue
        seconds = run_time(worker.id, job)
        # Of several that are free at once, chance decides which is first.
        rivals = [other.id for free_in, _, other in free if free_in == now and pool in other.pools]
        expected = fmean([seconds, *(run_time(rival, job) for rival in rivals)]) if rivals else seconds
        runs[job.job_id] = SimulatedRun(claims_of[pool], now, expected)
        for each in offers[worker.id]:
            claims_of[each] += 1
        heapq.heappush(free, (now + seconds, number, worker))
    for free_in, _, worker in sorted(free, key=lambda entry: entry[:2]):
        reached = dict.fromkeys(offers[worker.id], free_in) | reached
    return Simulation(runs, claims_of, reached)
