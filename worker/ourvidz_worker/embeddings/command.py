"""`ourvidz-worker embed`."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial

from ourvidz_worker import log
from ourvidz_worker.configuration import Configuration, connection_problem
from ourvidz_worker.errors import EngineBroken, EngineUnusable, TokenRefused
from ourvidz_worker.health import PortUnavailable, WorkerHealth, health_server
from ourvidz_worker.options import TOKEN
from ourvidz_worker.plain_http import Reach, plain_port_problem, reach_of
from ourvidz_worker.process import (
    EXIT_FAILURE,
    configure_libraries,
    exit_while_importing,
    fail,
    stop_on_signals,
)


def embed(config: Configuration) -> int:
    """Returns 0 after a requested shutdown, 2 if the command is wrong, and 1 if it may work later."""
    if problem := _problem(config):
        return fail(problem)
    settings = config.embedder
    configure_libraries(only_sketches=not settings.has_weights, allow_download=settings.allow_download)
    stop_on_signals(exit_while_importing)
    from ourvidz_worker.embeddings.refusals import EmbeddingRefused

    if reach_of(config.server) in (Reach.PRIVATE, Reach.PUBLIC):
        log.event("server_unencrypted", reason="the token, texts and thumbnails travel as plain text")
    if config.unused:
        log.event("options_unused", command="embed", options=", ".join(config.unused))
    try:
        return _work(config)
    except TokenRefused:
        return fail("the server refused this worker's token")
    except (PortUnavailable, EngineBroken, EngineUnusable, EmbeddingRefused) as problem:
        return fail(str(problem), EXIT_FAILURE)


def _problem(config: Configuration) -> str | None:
    """Why no server can be asked, in a sentence. A machine that enrols makes no embedder of itself."""
    if config.server and not config.token:
        return f"no token: set {TOKEN.variable} to what `manage.py create_worker NAME --embeds` printed"
    return connection_problem(replace(config, enrolment_token="")) or plain_port_problem(config.server)


def _work(config: Configuration) -> int:
    from ourvidz_worker.embeddings import load_embedder
    from ourvidz_worker.embeddings.client import EmbeddingServer
    from ourvidz_worker.embeddings.runner import EmbeddingRunner

    with ExitStack() as stack:
        server = EmbeddingServer(config.server, config.token, config.patience)
        stack.callback(server.close)
        health = WorkerHealth()
        runner = EmbeddingRunner(
            server,
            partial(load_embedder, config.embedder),
            config.embedder.thresholds,
            health,
            config.patience or 0.0,
        )
        stop_on_signals(runner.stop)
        with health_server(*config.health, health) if config.health else nullcontext():
            runner.run()
    return 0
