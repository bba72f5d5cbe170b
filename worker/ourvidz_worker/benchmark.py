"""`ourvidz-worker bench`: seconds for one result of each job type that this machine can do."""

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
from ourvidz_worker.engines.benchmark_jobs import JOB_TYPES, benchmark_job
from ourvidz_worker.errors import ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.protocol import AssetError, Job

WARM_UP_STEPS = 2  # enough to fill caches and choose kernels; a whole film would double the time


@dataclass(frozen=True, slots=True)
class Measured:
    """`warm_up_s`: of a first, short job. `seconds`: the runs' median; None and a `problem` if one failed."""

    job_type: str
    warm_up_s: float
    seconds: float | None
    runs: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """`load_s`: until the engine was ready."""

    at: str
    engine: str
    device: str
    version: str
    load_s: float
    job_types: list[Measured]

    @property
    def seconds(self) -> dict[str, float]:
        return {each.job_type: each.seconds for each in self.job_types if each.seconds is not None}

    def line(self) -> str:
        return json.dumps(asdict(self) | {"seconds": self.seconds})


def benchmark(engine: Engine, *, wanted: Sequence[str], runs: int) -> Figures:
    """Of the job types wanted, or of all that the engine offers. Raises EngineUnusable."""
    began = time.monotonic()
    engine.load()
    load_s = time.monotonic() - began
    try:
        offered = [name for name in JOB_TYPES if name in engine.pools and name in (wanted or JOB_TYPES)]
        measured = [measure(engine, name, runs) for name in offered]
    finally:
        engine.unload()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Figures(now, engine.name, engine.device, __version__, round(load_s, 3), measured)


def measure(engine: Engine, job_type: str, runs: int) -> Measured:
    _tell(f"{job_type}: warming up")
    warm_up_s, problem = _timed(engine, benchmark_job(job_type, steps=WARM_UP_STEPS))
    seconds = []
    for number in range(1, runs + 1):
        if problem:
            return Measured(job_type, round(warm_up_s, 3), None, number - 1, problem)
        _tell(f"{job_type}: run {number} of {runs}")
        spent, problem = _timed(engine, benchmark_job(job_type))
        seconds.append(spent)
    median = None if problem else round(statistics.median(seconds), 3)
    return Measured(job_type, round(warm_up_s, 3), median, runs, problem)


def _timed(engine: Engine, job: Job) -> tuple[float, str]:
    """Seconds, and why there is no result; empty when there is one."""
    began = time.monotonic()
    try:
        made = [each.outcome for each in engine.generate(job, lambda share, stage: None, lambda: False)]
    except Exception as error:  # noqa: BLE001 an engine may raise anything; the table says so
        return time.monotonic() - began, f"{type(error).__name__}: {error}"
    problems = [each.message for each in made if isinstance(each, AssetError)]
    return time.monotonic() - began, problems[0] if problems else ""


def keep(figures: Figures, folder: Path) -> Path:
    """Where the last figures lie. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"benchmark-{figures.engine}.json"
    path.write_text(figures.line() + "\n", encoding="utf-8")
    return path


def report(figures: Figures, server: Server) -> str:
    """Why the server does not have them; empty when it does."""
    try:
        server.benchmark(figures.seconds, figures.version, figures.device)
    except TokenRefused:
        return "the server refused this worker's token"
    except ServerRefused as refused:
        return "this server takes no benchmarks" if refused.status == 404 else str(refused)
    except ServerUnavailable as unavailable:
        return str(unavailable)
    return ""


def show(figures: Figures) -> None:
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table

    title = f"{figures.engine} on {figures.device}, ready in {figures.load_s:.1f} s"
    table = Table("job type", title=title, title_justify="left")
    for head in ("seconds for one", "warm-up", "runs"):
        table.add_column(head, justify="right")
    for row in _rows(figures):
        table.add_row(*row)
    Console(soft_wrap=True).print(table)


def _rows(figures: Figures) -> Iterator[tuple[Any, ...]]:
    for each in figures.job_types:
        seconds = each.problem if each.seconds is None else f"{each.seconds:.2f}"
        yield each.job_type, seconds, f"{each.warm_up_s:.2f}", str(each.runs)


def _tell(news: str) -> None:
    """For whoever waits at a terminal; minutes may pass."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{news}\n")
