"""The command line: `ourvidz-worker run --server URL --engine sketch`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ourvidz_worker import __version__, log
from ourvidz_worker.configuration import (
    BadOption,
    Configuration,
    add_options,
    configuration,
    missing,
    usual_spool,
    usual_state,
)
from ourvidz_worker.engines.benchmark_jobs import JOB_TYPES
from ourvidz_worker.errors import ConnectionUnusable

if TYPE_CHECKING:
    from ourvidz_worker.spool import Spool

MAY_PASS, WRONG = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a shutdown that was asked for; 2 when the worker was started wrongly, and 1 when the same start
    may do later: weights on a disk that is not mounted yet, a server that is being set up.
    """
    flags = _parser().parse_args(argv)
    try:
        return _obey(flags, configuration(flags))
    except (BadOption, ConnectionUnusable) as problem:
        return _refuse(str(problem))
    except KeyboardInterrupt:
        return 130


def _obey(flags: argparse.Namespace, chosen: Configuration) -> int:
    if flags.command == "check":
        from ourvidz_worker.check import report

        return report(chosen, sys.stdout.write)
    if flags.command == "run":
        problem = missing(chosen)
        return _refuse(problem) if problem else _run(chosen)
    if flags.report and (problem := _unreachable(chosen)):
        status = WRONG if missing(chosen) else MAY_PASS
        return _refuse(f"{problem.rstrip('.')}; --no-report needs no server", status)
    return _bench(chosen, flags)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ourvidz-worker", description="Makes what an OurVidz server asks for."
    )
    parser.add_argument("--version", action="version", version=f"ourvidz-worker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    add_options(commands.add_parser("run", help="lease jobs and work until told to stop"))
    add_options(commands.add_parser("check", help="say what is missing, one line each; 0 when nothing is"))
    bench = commands.add_parser("bench", help="measure the seconds for one result of each job type")
    bench.add_argument("--runs", type=int, choices=range(1, 21), default=1, metavar="N", help="1 by default")
    bench.add_argument(
        "--job-type",
        action="append",
        default=[],
        metavar="NAME",
        help="only this; repeatable",
    )
    bench.add_argument("--json", action="store_true", help="one JSON line instead of a table")
    bench.add_argument("--no-report", dest="report", action="store_false", help="do not tell the server")
    add_options(bench)
    return parser


def _bench(chosen: Configuration, flags: argparse.Namespace) -> int:
    """1 when something could not be measured, kept or reported."""
    if unknown := [name for name in flags.job_type if name not in JOB_TYPES]:
        return _refuse(f"{', '.join(unknown)}: no such job type; there are {', '.join(JOB_TYPES)}")
    _prepare_libraries(chosen)
    from ourvidz_worker import benchmark
    from ourvidz_worker.client import Server
    from ourvidz_worker.engines import create_engine
    from ourvidz_worker.errors import EngineUnusable

    try:
        engine = create_engine(chosen.engine)
        figures = benchmark.benchmark(engine, wanted=flags.job_type, runs=flags.runs)
    except EngineUnusable as unusable:
        return _refuse(str(unusable), MAY_PASS)
    if not figures.job_types:
        return _refuse("this engine, as it is set up, does none of these job types")
    if flags.json:
        sys.stdout.write(figures.line() + "\n")
    else:
        benchmark.show(figures)
    problems = [each.job_type for each in figures.job_types if each.problem]
    try:
        benchmark.keep(figures, usual_state())
    except (OSError, RuntimeError) as error:
        problems.append(f"the figures cannot be kept: {error}")
    if flags.report and figures.seconds:
        server = Server(chosen.server, chosen.token)
        problems += filter(None, [benchmark.report(figures, server)])
        server.close()
    if problems:
        _refuse("; ".join(problems))
    return 1 if problems else 0


def _unreachable(chosen: Configuration) -> str:
    """Why nothing could be reported after minutes of measuring; empty when it can."""
    from ourvidz_worker.check import server_finding

    return server_finding(chosen).problem


def _run(chosen: Configuration) -> int:
    _prepare_libraries(chosen)
    from ourvidz_worker.client import Server
    from ourvidz_worker.engines import create_engine
    from ourvidz_worker.errors import EngineBroken, EngineUnusable, ServerRefused, TokenRefused
    from ourvidz_worker.health import PortUnavailable, WorkerHealth, health_server
    from ourvidz_worker.runner import Runner

    try:
        spool = _spool(chosen)
    except OSError as error:
        return _refuse(f"results cannot be kept in {chosen.spool}: {error.strerror}")
    if chosen.unused:
        log.event("options_unused", engine=chosen.engine.engine, options=", ".join(chosen.unused))
    server = Server(chosen.server, chosen.token, chosen.patience)
    _stop_on_signals(lambda: sys.exit(0))  # nothing is held while libraries are imported
    try:
        health = WorkerHealth(chosen.stuck_after)
        runner = Runner(server, create_engine(chosen.engine), spool, health)
        _stop_on_signals(runner.stop)
        with health_server(*chosen.health, health) if chosen.health else nullcontext():
            runner.run()
    except (PortUnavailable, EngineBroken, EngineUnusable) as problem:
        return _refuse(str(problem), MAY_PASS)
    except TokenRefused:
        return _refuse("the server refused this worker's token")
    except ServerRefused as refused:
        return _refuse(f"{chosen.server} does not lease jobs to this worker: {refused}", MAY_PASS)
    finally:
        server.close()
        if spool is not None:
            spool.close()
    return 0


def _spool(chosen: Configuration) -> Spool | None:
    """None where the usual folder cannot be written: it works without. Raises OSError for a named one."""
    from ourvidz_worker.spool import Spool

    try:
        folder = Path(chosen.spool) if chosen.spool else usual_spool()
        return Spool(folder, chosen.server, chosen.token)
    except (OSError, RuntimeError) as error:
        if chosen.spool:
            raise
        log.event(
            "no_spool", reason=f"{type(error).__name__}; name a folder with --spool to outlive a restart"
        )
        return None


def _prepare_libraries(chosen: Configuration) -> None:
    """What they read from the environment when they are imported, and where their warnings go."""
    log.capture_warnings()
    if chosen.engine.engine == "sketch":
        # One drawing at a time: threads of a BLAS would only cost memory.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    elif not chosen.engine.allow_download:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


def _stop_on_signals(stop: Callable[[], None]) -> None:
    """The first signal stops in good order, the second at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        stop()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handle)


def _refuse(sentence: str, status: int = WRONG) -> int:
    sys.stderr.write(f"ourvidz-worker: {sentence}\n")
    return status
