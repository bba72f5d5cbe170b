"""`script/bench estimates`: what pages said of waiting jobs, against what then happened."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING

from django.test.utils import override_settings

from bench import databases, fill
from bench.databases import counted, use
from bench.fleet import Estimate, Fleet
from bench.output import json_line, say, table
from bench.scenarios import Scenario, scenarios
from bench.virtual_clock import VirtualClock
from generation.catalog.job_types import JOB_TYPES
from generation.core.clock import Now
from generation.models import Job, Worker
from generation.queue.estimates import forecast, queue_positions

if TYPE_CHECKING:
    from bench.__main__ import Options

BACKLOGS, QUICK_BACKLOGS = (2_000, 200_000), (200, 400)
READINGS = 15
# As a server is set; the other benchmarks let no lease expire.
AS_DEPLOYED = {"LEASE_SECONDS": 60, "HEARTBEAT_SECONDS": 15}
WHEN = ("before Make", "at submission", "while waiting")
Errors = dict[str, list[float]]


def run(options: Options) -> None:
    """Play each scenario in a database of its own; then time a reading of a long queue."""
    errors: Errors = {name: [] for name in (*WHEN, "before")}
    medians: dict[str, float] = {}
    without = 0
    for number, scenario in enumerate(scenarios(quick=options.quick)):
        estimates, done = play(scenario, f"fleet{number}")
        found = errors_of(estimates, done)
        print_scenario(scenario, found)
        without += sum(each.done_in is None for each in estimates if each.job_id in done)
        medians[scenario.name] = _rounded(median(value for name in WHEN for value in found[name]))
        for name, values in found.items():
            errors[name] += values
    readings = [time_readings(backlog) for backlog in (QUICK_BACKLOGS if options.quick else BACKLOGS)]
    every = [value for name in WHEN for value in errors[name]]
    json_line(
        {
            "bench": "estimates",
            "median_relative_error": _rounded(median(every)),
            "p90_relative_error": _rounded(_p90(every)),
            "median_of_the_estimates_before": _rounded(median(errors["before"])),
            "by_moment": {name: _rounded(median(errors[name])) for name in WHEN if errors[name]},
            "by_scenario": medians,
            "estimates": len(every),
            "without_an_estimate": without,
            "readings": readings,
        }
    )


def play(scenario: Scenario, database: str) -> tuple[Sequence[Estimate], Mapping[uuid.UUID, float]]:
    databases.create(database, template=databases.BASE)
    use(database)
    Worker.objects.all().delete()  # bench.fill's
    began = time.monotonic()
    with override_settings(**AS_DEPLOYED):
        fleet = Fleet(scenario, VirtualClock(database))
        done = fleet.play()
    say(f"\n{len(done)} jobs in {fleet.clock.now:.0f} s, played in {time.monotonic() - began:.0f} s")
    return fleet.estimates, done


def errors_of(estimates: Iterable[Estimate], done: Mapping[uuid.UUID, float]) -> Errors:
    """|estimated - real| / real of the time until the job was done, by the moment of the estimate."""
    errors: Errors = {name: [] for name in (*WHEN, "before")}
    for each in estimates:
        if each.job_id not in done:
            continue
        really = max(1.0, done[each.job_id] - each.at)
        if each.done_in is not None:
            errors[each.when].append(abs(each.done_in - really) / really)
        if each.before is not None:
            errors["before"].append(abs(each.before - really) / really)
    return errors


def print_scenario(scenario: Scenario, errors: Errors) -> None:
    titles = {**{name: name for name in WHEN}, "before": "the estimates before (submission and waiting)"}
    rows = [
        [title, str(len(errors[name])), f"{median(errors[name]):.2f}", f"{_p90(errors[name]):.2f}"]
        for name, title in titles.items()
        if errors[name]
    ]
    table(scenario.name, ["relative error", "estimates", "median", "90th percentile"], rows)


def time_readings(backlog: int) -> dict[str, object]:
    """What an answer costs behind a long queue: positions of twenty jobs from its middle, and a forecast."""
    database = f"backlog{backlog}"
    databases.create(database, template=databases.BASE)
    use(database)
    fill.queued(backlog)
    Worker.objects.update(last_seen_at=Now(), pools=list(JOB_TYPES))
    middle = list(Job.objects.order_by("id")[backlog // 2 : backlog // 2 + 20])
    calls: dict[str, Callable[[], object]] = {
        "positions": lambda: queue_positions(middle),
        "forecast": lambda: forecast(owner_id=2, job_type=JOB_TYPES["video_fast"], quantity=1),
    }
    figures: dict[str, object] = {"backlog": backlog}
    rows = []
    for name, call in calls.items():
        with counted() as count:
            call()
        ms = []
        for _ in range(READINGS):
            began = time.perf_counter()
            call()
            ms.append((time.perf_counter() - began) * 1000)
        rows.append([name, f"{median(ms):.1f}", str(count.queries)])
        figures |= {f"{name}_ms": round(median(ms), 1), f"{name}_queries": count.queries}
    table(f"one answer at {backlog:,} queued jobs and {fill.WORKERS} workers", ["", "ms", "queries"], rows)
    return figures


def _p90(values: Sequence[float]) -> float:
    return quantiles(values, n=10)[-1] if len(values) > 1 else values[0]


def _rounded(value: float) -> float:
    return round(value, 3)
