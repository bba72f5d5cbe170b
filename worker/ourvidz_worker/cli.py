"""The command line: `ourvidz-worker run --server URL --engine sketch`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ourvidz_worker import __version__, log
from ourvidz_worker.configuration import (
    Configuration,
    InvalidOption,
    add_options,
    connection_problem,
    default_spool_directory,
    load_configuration,
    state_directory,
)
from ourvidz_worker.engines.pools import JOB_TYPES
from ourvidz_worker.errors import ConnectionUnusable, ServerUnavailable, WorkerDisabled
from ourvidz_worker.gpu_choice import NoSuchGpu, show_only
from ourvidz_worker.options import CHECK_OPTIONS, EMBED_OPTIONS, RUN_OPTIONS
from ourvidz_worker.plain_http import Reach, plain_port_problem, reach_of
from ourvidz_worker.process import (
    EXIT_FAILURE,
    EXIT_USAGE,
    configure_libraries,
    exit_while_importing,
    fail,
    stop_on_signals,
)

if TYPE_CHECKING:
    from ourvidz_worker.benchmark import BenchmarkResult
    from ourvidz_worker.client import Server
    from ourvidz_worker.enrolment import Identity
    from ourvidz_worker.spool import Spool


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 after a requested shutdown, 2 if the command is wrong, and 1 if the same command may work
    later: the weights' disk is not mounted yet, the server is being set up.
    """
    flags = _parser().parse_args(argv)
    try:
        return _dispatch(flags, load_configuration(flags))
    except (InvalidOption, ConnectionUnusable, NoSuchGpu) as problem:
        return fail(str(problem))
    except KeyboardInterrupt:
        return 130


def _dispatch(flags: argparse.Namespace, config: Configuration) -> int:
    show_only(config.engine.device, os.environ)
    if flags.command == "fetch":
        return _fetch(config, flags.location)
    if flags.command == "check":
        from ourvidz_worker.check import report

        return report(config, sys.stdout.write)
    if flags.command == "embed":
        from ourvidz_worker.embeddings.command import embed

        return embed(config)
    if flags.command == "run":
        problem = connection_problem(config) or plain_port_problem(config.server)
        return fail(problem) if problem else _run(config)
    if flags.report and (problem := _server_problem(config)):
        status = EXIT_USAGE if connection_problem(config) else EXIT_FAILURE
        return fail(f"{problem.rstrip('.')}; --no-report needs no server", status)
    return _bench(config, flags)


def _parser() -> argparse.ArgumentParser:
    # Without abbreviations: a later version's option would change what a unit's `--engin` means.
    parser = argparse.ArgumentParser(
        prog="ourvidz-worker", description="Makes what an OurVidz server asks for.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"ourvidz-worker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    add_command = partial(commands.add_parser, allow_abbrev=False)
    add_options(add_command("run", help="lease jobs and work until told to stop"), RUN_OPTIONS)
    add_options(
        add_command("check", help="say what is missing, one line each; 0 when nothing is"), CHECK_OPTIONS
    )
    add_options(
        add_command("embed", help="embed results and texts for the server's search by content"), EMBED_OPTIONS
    )
    fetch = add_command("fetch", help="fetch weights from the hub, those of the options or the named ones")
    fetch.add_argument(
        "location", nargs="*", metavar="OWNER/NAME[/FILE][@REVISION]", help="in place of the options'"
    )
    add_options(fetch, CHECK_OPTIONS)
    bench = add_command("bench", help="measure the seconds for one result of each job type")
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
    add_options(bench, RUN_OPTIONS)
    return parser


def _fetch(config: Configuration, named: Sequence[str]) -> int:
    """Returns 1 when the same command may go on where this one stopped."""
    log.capture_warnings()
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # the log says how far it is
    from ourvidz_worker.fetch import FetchFailed, fetch, locations

    wanted = list(named) or locations(config)
    if not wanted:
        return fail("nothing to fetch: name weights, or the options or models that do")
    try:
        for location in wanted:
            sys.stdout.write(f"{fetch(location)}\n")
            sys.stdout.flush()
    except FetchFailed as failed:
        return fail(str(failed), EXIT_USAGE if failed.is_final else EXIT_FAILURE)
    return 0


def _bench(config: Configuration, flags: argparse.Namespace) -> int:
    """Returns 1 when something could not be measured, saved or reported."""
    if unknown := [name for name in flags.job_type if name not in JOB_TYPES]:
        return fail(f"{', '.join(unknown)}: no such job type; there are {', '.join(JOB_TYPES)}")
    _configure_libraries(config)
    from ourvidz_worker import benchmark
    from ourvidz_worker.engines.model_switch import ModelSwitch
    from ourvidz_worker.errors import EngineUnusable

    try:
        engine = ModelSwitch(config.engine, config.models)
        result = benchmark.benchmark(engine, job_types=flags.job_type, runs=flags.runs)
    except EngineUnusable as unusable:
        return fail(str(unusable), EXIT_FAILURE)
    if not result.job_types:
        return fail("this engine, as it is set up, does none of these job types")
    if flags.json:
        sys.stdout.write(result.to_json() + "\n")
    else:
        benchmark.print_table(result)
    problems = [each.job_type for each in result.job_types if each.problem]
    try:
        benchmark.save(result, state_directory())
    except (OSError, RuntimeError) as error:
        problems.append(f"the figures cannot be kept: {error}")
    if flags.report and result.seconds:
        problems += filter(None, [_report(config, result)])
    if problems:
        fail("; ".join(problems))
    return 1 if problems else 0


def _report(config: Configuration, result: BenchmarkResult) -> str:
    """What kept the server from being told; empty when it was."""
    from ourvidz_worker import benchmark
    from ourvidz_worker.errors import WorkerError

    with ExitStack() as stack:
        try:
            server = _sign_in(config, _identity(config, stack), stack)
            return benchmark.report(result, server)
        except WorkerError as error:
            return f"the server was not told: {error}"


def _server_problem(config: Configuration) -> str:
    """Why the result could not be reported, asked before minutes are spent on it; empty if it can."""
    from ourvidz_worker.check import check_server

    return check_server(config).problem


def _configure_libraries(config: Configuration) -> None:
    only_sketches = {model.engine for model in config.models} == {"sketch"}
    configure_libraries(only_sketches=only_sketches, allow_download=config.engine.allow_download)


def _run(config: Configuration) -> int:
    _configure_libraries(config)
    from ourvidz_worker.enrolment import EnrolmentFailed
    from ourvidz_worker.errors import EngineBroken, EngineUnusable, ServerRefused, TokenRefused
    from ourvidz_worker.health import PortUnavailable

    stop_on_signals(exit_while_importing)
    if reach_of(config.server) in (Reach.PRIVATE, Reach.PUBLIC):
        log.event("server_unencrypted", reason="the token, prompts and results travel as plain text")
    if config.unused:
        log.event("options_unused", engine=config.engine.engine, options=", ".join(config.unused))
    try:
        return _work(config)
    except (PortUnavailable, EngineBroken, EngineUnusable) as problem:
        return fail(str(problem), EXIT_FAILURE)
    except EnrolmentFailed as failed:
        return fail(str(failed))
    except TokenRefused:  # one that was enrolled for may be had again at the next start
        status = EXIT_FAILURE if config.enrolment_token else EXIT_USAGE
        return fail("the server refused this worker's token", status)
    except ServerRefused as refused:
        return fail(f"{config.server} does not lease jobs to this worker: {refused}", EXIT_FAILURE)


def _work(config: Configuration) -> int:
    from ourvidz_worker.engines.model_switch import ModelSwitch
    from ourvidz_worker.health import WorkerHealth, health_server
    from ourvidz_worker.runner import Runner

    with ExitStack() as stack:
        identity = _identity(config, stack)
        try:
            spool = _open_spool(config, identity.machine if identity else config.token)
        except OSError as error:
            return fail(f"results cannot be kept in {config.spool}: {error.strerror}")
        if spool is not None:
            stack.callback(spool.close)
        server = _sign_in(config, identity, stack)
        health = WorkerHealth(config.stuck_after)
        models = ModelSwitch(config.engine, config.models)
        runner = Runner(server, models, spool, health, models=models, exit_when_idle=config.exit_when_idle)
        stop_on_signals(runner.stop)
        with health_server(*config.health, health) if config.health else nullcontext():
            runner.run()
    return 0


def _identity(config: Configuration, stack: ExitStack) -> Identity | None:
    """None for a worker that has a token of its own. Raises EnrolmentFailed."""
    if not config.enrolment_token:
        return None
    from ourvidz_worker.enrolment import EnrolmentFailed, Identity

    try:
        identity = Identity(state_directory() / "enrolled", config.server, config.enrolment_token)
    except (OSError, RuntimeError) as error:
        raise EnrolmentFailed(f"this machine's token cannot be kept: {error}") from error
    stack.callback(identity.close)
    return identity


def _sign_in(config: Configuration, identity: Identity | None, stack: ExitStack) -> Server:
    """The server, with a token that it takes. Raises TokenRefused, ServerRefused, EnrolmentFailed."""
    from ourvidz_worker.client import Server

    server = Server(config.server, config.token, config.patience, interruptible=config.interruptible)
    stack.callback(server.close)
    if identity is None:
        _check_access(server)
        return server
    from ourvidz_worker.enrolment import TokenRenewal, sign_in

    sign_in(server, identity, config.enrolment_token)
    stack.enter_context(TokenRenewal(server, identity))
    return server


def _check_access(server: Server) -> None:
    """Asks before minutes of loading what would be refused after them. Raises TokenRefused, ServerRefused.

    A server that is away or has disabled this worker may think otherwise by then.
    """
    with suppress(ServerUnavailable, WorkerDisabled):
        server.check_access()


def _open_spool(config: Configuration, owner: str) -> Spool | None:
    """None if the default folder cannot be written: that is optional. Raises OSError for a given folder.

    `owner`: what stays of this worker over its starts: its token, or its id where that is renewed.
    """
    from ourvidz_worker.spool import Spool

    try:
        folder = Path(config.spool) if config.spool else default_spool_directory()
        return Spool(folder, config.server, owner)
    except (OSError, RuntimeError) as error:
        if config.spool:
            raise
        log.event(
            "no_spool", reason=f"{type(error).__name__}; name a folder with --spool to outlive a restart"
        )
        return None
