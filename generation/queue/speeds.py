"""How long jobs take: what workers measured, recorded and read, by job type and model.

A worker's recent runs count first, then its moving mean or its benchmark, then other workers' runs in
proportion, then, of a model that nobody has run, what is known of the job type, and its own estimate.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import median
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now

from generation.catalog.job_types import JOB_TYPES
from generation.core.sql import in_dialect, uuid_value, value_rows
from generation.models import Attempt, Outcome, Worker, WorkerSpeed

# The weight of the newest lease in a worker's moving average.
WEIGHT = 0.3
# Of the newest leases of each worker, and of those for one job type.
RECENT_RUNS, RUNS_OF_JOB_TYPE = 24, 9
# A first run loads the model and the second may meet a busy disk: up to here a benchmark counts as one more.
ENOUGH_RUNS = 3
# One probe of the index for each worker. Failures are left out afterwards, so that no run of them is walked.
RECENT = """
    WITH known (worker_id) AS (VALUES {workers})
    SELECT run.id, run.worker_id, run.leased_at, run.ended_at, run.accepted, run.rejected, run.outcome,
        job.job_type AS job_type, job.model AS model_name
    FROM known
    JOIN generation_attempt AS run ON run.id {among}
        SELECT id FROM generation_attempt
        WHERE worker_id = known.worker_id AND ended_at IS NOT NULL
        ORDER BY ended_at DESC LIMIT {recent}
    {among_end}
    JOIN generation_job AS job ON job.id = run.job_id
    ORDER BY run.ended_at DESC, run.id DESC
"""


class Work(NamedTuple):
    """What speeds are measured by."""

    job_type: str
    model: str = ""


class Run(NamedTuple):
    """A finished lease: its run time (s) and the number of its results."""

    seconds: float
    slots: int


@dataclass(frozen=True, slots=True)
class Speed:
    """A worker's measured speed at a kind of work: recent runs, newest first; `stored` is s a result."""

    runs: Sequence[Run] = ()
    stored: float | None = None
    benchmark: float | None = None

    def seconds(self, slots: int) -> float | None:
        """The median of its runs of as many results, else of all in proportion; None without any."""
        alike = [run.seconds for run in self.runs if run.slots == slots]
        if len(alike) >= ENOUGH_RUNS:
            return median(alike)
        each = [run.seconds / run.slots for run in self.runs]
        if not each:
            return None if self.stored is None else self.stored * slots
        if len(each) < ENOUGH_RUNS and self.benchmark:
            each.append(self.benchmark)
        return median(each) * slots


@dataclass(frozen=True, slots=True)
class RunTimes:
    """The expected run times, by worker and kind of work."""

    speeds: Mapping[tuple[uuid.UUID, Work], Speed] = field(default_factory=dict)
    # How many times the job type's own estimate a worker takes, and a kind of work beyond its workers' pace.
    pace_of: Mapping[uuid.UUID, float] = field(default_factory=dict)
    factor_of: Mapping[Work, float] = field(default_factory=dict)

    def seconds(self, worker_id: uuid.UUID | None, job_type: str, slots: int, model: str = "") -> float:
        """Expected seconds of `slots` results on this worker; None: on an average one."""
        work = Work(job_type, model)
        speed = self.speeds.get((worker_id, work)) if worker_id else None
        measured = speed.seconds(slots) if speed else None
        if measured is not None:
            return measured
        if model and work not in self.factor_of:
            return self.seconds(worker_id, job_type, slots)
        paces = self.pace_of.values()
        pace = self.pace_of.get(worker_id) if worker_id else None
        pace = pace or (median(paces) if paces else 1.0)
        factor = self.factor_of.get(work)
        # Nobody has made one: half of the pace may be that of other job types alone.
        return JOB_TYPES[job_type].estimate(slots) * (sqrt(pace) if factor is None else pace * factor)


def run_times(worker_ids: Collection[uuid.UUID]) -> RunTimes:
    """The run times that these workers measured; two queries."""
    if not worker_ids:
        return RunTimes()
    runs = _recent_runs(worker_ids)
    stored = WorkerSpeed.objects.filter(worker__in=worker_ids)
    rows = {
        (worker_id, Work(job_type, model)): (seconds, benchmark)
        for worker_id, job_type, model, seconds, benchmark in stored.values_list(
            "worker_id", "job_type", "model", "seconds", "benchmark"
        )
    }
    speeds = {key: Speed(runs.get(key, ()), *rows.get(key, (None, None))) for key in {*runs, *rows}}
    pace_of = _paces(speeds)
    return RunTimes(speeds, pace_of, _factors(speeds, pace_of))


def _recent_runs(worker_ids: Iterable[uuid.UUID]) -> dict[tuple[uuid.UUID, Work], list[Run]]:
    known = [uuid_value(worker_id) for worker_id in worker_ids]
    sql = in_dialect(RECENT, workers=value_rows(len(known)), recent=str(RECENT_RUNS))
    found: dict[tuple[uuid.UUID, Work], list[Run]] = defaultdict(list)
    attempts: Iterable[Any] = Attempt.objects.raw(sql, known)
    for run in attempts:
        seconds = (run.ended_at - run.leased_at).total_seconds()
        runs = found[run.worker_id, Work(run.job_type, run.model_name)]
        is_whole = run.outcome == Outcome.REPORTED and run.accepted and not run.rejected
        if is_whole and seconds > 0 and len(runs) < RUNS_OF_JOB_TYPE:
            runs.append(Run(seconds, run.accepted))
    return {key: runs for key, runs in found.items() if runs}


def _ratio(job_type: str, speed: Speed) -> float:
    """How many times the job type's own estimate."""
    quantity = max(JOB_TYPES[job_type].quantities)
    return (speed.seconds(quantity) or 0.0) / JOB_TYPES[job_type].seconds


def _paces(speeds: Mapping[tuple[uuid.UUID, Work], Speed]) -> dict[uuid.UUID, float]:
    """By jobs without a model where a worker has any: a model with few steps says little of its pace."""
    ratios: dict[bool, dict[uuid.UUID, list[float]]] = {kind: defaultdict(list) for kind in (True, False)}
    for (worker_id, work), speed in speeds.items():
        ratios[bool(work.model)][worker_id].append(_ratio(work.job_type, speed))
    return {worker_id: median(each) for worker_id, each in (ratios[True] | ratios[False]).items()}


def _factors(
    speeds: Mapping[tuple[uuid.UUID, Work], Speed], pace_of: Mapping[uuid.UUID, float]
) -> dict[Work, float]:
    ratios: dict[Work, list[float]] = defaultdict(list)
    for (worker_id, work), speed in speeds.items():
        ratios[work].append(_ratio(work.job_type, speed) / pace_of[worker_id])
    return {work: median(each) for work, each in ratios.items()}


@transaction.atomic
def record_benchmark(*, worker: Worker, seconds: Mapping[str, float], with_: str) -> None:
    """Store a worker's benchmark (s for one result, by job type) as its speed until its first finished lease.

    `with_` is the software and the device that it was measured with. It measures itself without a model.
    """
    Worker.objects.filter(pk=worker.pk).update(benchmarked_at=Now(), benchmarked_with=with_[:250])
    speeds = [
        WorkerSpeed(worker=worker, job_type=name, seconds=of_one, benchmark=of_one, samples=0)
        for name, of_one in seconds.items()
    ]
    WorkerSpeed.objects.bulk_create(
        speeds,
        update_conflicts=True,
        unique_fields=["worker", "job_type", "model"],
        update_fields=["benchmark"],
    )
    untried = WorkerSpeed.objects.filter(worker=worker, job_type__in=list(seconds), model="", samples=0)
    untried.update(seconds=F("benchmark"))


def record_run(*, worker: Worker, job_type: str, seconds: float, slots: int, model: str = "") -> None:
    """Update the worker's mean by one finished lease of `slots` results; the first replaces its benchmark."""
    if slots < 1 or seconds <= 0:
        return
    sample = seconds / slots
    mine = WorkerSpeed.objects.filter(worker=worker, job_type=job_type, model=model)
    mean = F("seconds") * (1 - WEIGHT) + sample * WEIGHT
    moved = Case(When(samples=0, then=Value(sample)), default=mean)
    if not mine.update(seconds=moved, samples=F("samples") + 1):
        WorkerSpeed.objects.bulk_create(
            [WorkerSpeed(worker=worker, job_type=job_type, model=model, seconds=sample)],
            ignore_conflicts=True,
        )
