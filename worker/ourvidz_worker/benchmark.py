"""`ourvidz-worker bench`: measures the seconds for one result of each job type that this machine offers."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ourvidz_worker import __version__
from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import Engine
from ourvidz_worker.engines.benchmark_jobs import benchmark_job
from ourvidz_worker.engines.pools import JOB_TYPES
from ourvidz_worker.errors import ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.protocol import AssetError, Job

WARM_UP_STEPS = 2  # enough to fill caches and choose kernels; a whole video would double the time


@dataclass(frozen=True, slots=True)
class Measurement:
    """`warm_up_s`: the time of a first, short job. `seconds`: the runs' median; if a run failed, None with a
    `problem`. The field names are those of the JSON output.
    """

    job_type: str
    warm_up_s: float
    seconds: float | None
    runs: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """`load_s`: seconds until the engine was ready. The field names are those of the JSON output."""

    at: str
    engine: str
    device: str
    version: str
    load_s: float
    job_types: list[Measurement]

    @property
    def seconds(self) -> dict[str, float]:
        return {each.job_type: each.seconds for each in self.job_types if each.seconds is not None}

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"seconds": self.seconds})


def benchmark(engine: Engine, *, job_types: Sequence[str], runs: int) -> BenchmarkResult:
    """Measures these job types, or all that the engine offers. Raises EngineUnusable."""
    began = time.monotonic()
    engine.load()
    load_s = time.monotonic() - began
    try:
        offered = [name for name in JOB_TYPES if name in engine.pools and name in (job_types or JOB_TYPES)]
        measured = [measure(engine, name, runs) for name in offered]
    finally:
        engine.unload()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return BenchmarkResult(now, engine.name, engine.device, __version__, round(load_s, 3), measured)


def measure(engine: Engine, job_type: str, runs: int) -> Measurement:
    _print_status(f"{job_type}: warming up")
    warm_up_s, problem = _timed(engine, benchmark_job(job_type, steps=WARM_UP_STEPS))
    seconds = []
    for number in range(1, runs + 1):
        if problem:
            return Measurement(job_type, round(warm_up_s, 3), None, number - 1, problem)
        _print_status(f"{job_type}: run {number} of {runs}")
        run_s, problem = _timed(engine, benchmark_job(job_type))
        seconds.append(run_s)
    median = None if problem else round(statistics.median(seconds), 3)
    return Measurement(job_type, round(warm_up_s, 3), median, runs, problem)


def _timed(engine: Engine, job: Job) -> tuple[float, str]:
    """Returns the seconds, and the problem; empty if there is a result."""
    began = time.monotonic()
    try:
        made = [each.outcome for each in engine.generate(job, lambda share, stage: None, lambda: False)]
    except Exception as error:  # noqa: BLE001 an engine may raise anything; the table shows it
        return time.monotonic() - began, f"{type(error).__name__}: {error}"
    problems = [each.for_operator for each in made if isinstance(each, AssetError)]
    return time.monotonic() - began, problems[0] if problems else ""


def save(result: BenchmarkResult, folder: Path) -> Path:
    """Saves the result for the operator; returns its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"benchmark-{result.engine}.json"
    path.write_text(result.to_json() + "\n", encoding="utf-8")
    return path


def report(result: BenchmarkResult, server: Server) -> str:
    """Sends the result to the server. Returns the problem; empty if it was accepted."""
    try:
        server.benchmark(result.seconds, result.version, result.device)
    except TokenRefused:
        return "the server refused this worker's token"
    except ServerRefused as refused:
        return "this server takes no benchmarks" if refused.status == 404 else str(refused)
    except ServerUnavailable as unavailable:
        return str(unavailable)
    return ""


def print_table(result: BenchmarkResult) -> None:
    """Prints a table to stdout."""
    from rich.console import Console
    from rich.table import Table

    title = f"{result.engine} on {result.device}, ready in {result.load_s:.1f} s"
    table = Table("job type", title=title, title_justify="left")
    for head in ("seconds for one", "warm-up", "runs"):
        table.add_column(head, justify="right")
    for row in _rows(result):
        table.add_row(*row)
    Console(soft_wrap=True).print(table)


def _rows(result: BenchmarkResult) -> Iterator[tuple[Any, ...]]:
    for each in result.job_types:
        seconds = each.problem if each.seconds is None else f"{each.seconds:.2f}"
        yield each.job_type, seconds, f"{each.warm_up_s:.2f}", str(each.runs)


def _print_status(message: str) -> None:
    """Shows progress if stderr is a terminal; a benchmark takes minutes."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{message}\n")
