"""The command line: `ourvidz-worker run --server URL --engine sketch`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from urllib.parse import urlsplit

from ourvidz_worker import __version__
from ourvidz_worker.engines import ENGINES

TOKEN_VARIABLE = "OURVIDZ_WORKER_TOKEN"  # noqa: S105 the name of a variable
SERVER_VARIABLE = "OURVIDZ_SERVER"
PACE_VARIABLE = "OURVIDZ_WORKER_PACE"


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a shutdown that was asked for, 2 when the worker cannot work as it was started."""
    options = _parser().parse_args(argv)
    problem = _problem(options)
    return _refuse(problem) if problem else _run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ourvidz-worker", description="Makes what an OurVidz server asks for."
    )
    parser.add_argument("--version", action="version", version=f"ourvidz-worker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="lease jobs and work until told to stop")
    run.add_argument("--server", default=os.environ.get(SERVER_VARIABLE, ""), help=f"or {SERVER_VARIABLE}")
    run.add_argument(
        "--token",
        default=os.environ.get(TOKEN_VARIABLE, ""),
        help=f"better as {TOKEN_VARIABLE}: other users of this machine see arguments",
    )
    run.add_argument("--engine", choices=ENGINES, default="sketch")
    run.add_argument(
        "--pace",
        default=os.environ.get(PACE_VARIABLE, "0"),
        help=f"least seconds a result takes, to watch pages fill; or {PACE_VARIABLE}",
    )
    return parser


def _problem(options: argparse.Namespace) -> str | None:
    if not options.server:
        return f"no server: give --server or set {SERVER_VARIABLE}"
    if not _is_url(options.server):
        return f"{options.server!r} is not the address of a server, such as https://ourvidz.example"
    if not options.token:
        return f"no token: set {TOKEN_VARIABLE} to what `manage.py create_worker` printed"
    if not options.token.isascii() or not options.token.isprintable():
        return "the token holds characters that no token has"
    if not _is_duration(options.pace):
        return f"the pace must be seconds, 0 or more, not {options.pace!r}"
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_duration(text: str) -> bool:
    try:
        return 0 <= float(text) < 3600
    except ValueError:
        return False


def _run(options: argparse.Namespace) -> int:
    # One drawing at a time: threads of a BLAS would only cost memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from ourvidz_worker.client import Server
    from ourvidz_worker.engines import create_engine
    from ourvidz_worker.errors import ServerRefused, TokenRefused
    from ourvidz_worker.runner import Runner

    server = Server(options.server, options.token)
    runner = Runner(server, create_engine(options.engine, pace=float(options.pace)))
    _stop_on_signals(runner.stop)
    try:
        runner.run()
    except TokenRefused:
        return _refuse("the server refused this worker's token")
    except ServerRefused as refused:
        return _refuse(f"{options.server} does not lease jobs to this worker: {refused}")
    finally:
        server.close()
    return 0


def _stop_on_signals(stop: Callable[[], None]) -> None:
    """The first signal stops in good order, the second at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        stop()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handle)


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"ourvidz-worker: {sentence}\n")
    return 2
