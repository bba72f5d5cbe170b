"""Daphne, configured: what it lacks is in this package."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import daphne.server  # first: it installs Twisted's reactor
import structlog
from channels.db import database_sync_to_async
from daphne.endpoints import build_endpoint_description_strings
from django.db import Error
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogPublisher,
)

from generation.live import renders
from generation.media import decoders
from generation.queue import reap_hold
from ourvidz import capacity
from ourvidz.server.connections import ConnectionFactory, connection_of
from ourvidz.server.limits import ConnectionLimits
from ourvidz.server.sockets import SocketFactory, SocketServer

log = structlog.get_logger("ourvidz.server")

# How long a thread may keep the interpreter while others wait: at Python's 5 ms a request that asks the
# database ten times beside four that only compute waits 200 ms longer.
SWITCH_SECONDS = 0.0005


async def send_beats() -> None:
    """Send beats from the event loop, so that they stop when nothing is served; the write is in a thread."""
    beat = database_sync_to_async(reap_hold.beat, thread_sensitive=False)
    while True:
        try:
            await beat()
        except Error as error:  # whichever: without beats no lease is reaped
            log.warning("beat.database_away", error=type(error).__name__)
        await asyncio.sleep(reap_hold.beat_seconds())


class Server(SocketServer):
    """Daphne's, whose requests hand their bodies over themselves, and whose answers wait for readers."""

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start the application for a request or a socket; daphne puts messages into what this returns."""
        if scope["type"] != "http":
            return super().create_application(protocol, scope)
        scope.setdefault("asgi", {"version": "3.0"})
        application = self.application(
            scope=scope, receive=protocol.body.receive, send=partial(self.handle_reply, protocol)
        )
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
        return protocol.body

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if connection := connection_of(protocol):
            await connection.drain()
        await super().handle_reply(protocol, message)

    def kill_all_applications(self) -> Any:
        """As daphne's, which fails at a connection without one and then leaves the rest running."""
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
        return super().kill_all_applications()


def _log_errors() -> None:
    """Pass Twisted's errors on, which daphne throws away: without a descriptor left it says so only there."""
    # Typed as Any: that these have its interfaces is known to zope alone.
    errors: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
    to_logging: Any = STDLibLogObserver("twisted")
    observer: Any = FilteringLogObserver(to_logging, [errors])
    globalLogPublisher.addObserver(observer)


def serve(*, host: str, port: int) -> bool:
    """Serve until a signal stops it; False when the address could not be had."""
    from ourvidz.asgi import application

    sys.setswitchinterval(SWITCH_SECONDS)
    descriptors = capacity.raise_descriptor_limit()
    log.info("server.starting", descriptors=descriptors, max_connections=capacity.connections.limit)
    decoders.warm_up()
    started: list[asyncio.Task[None]] = []
    loop = daphne.server.twisted_loop

    def start_tasks() -> None:
        _log_errors()
        started.extend([loop.create_task(send_beats()), loop.create_task(server.http_factory.report())])

    # Daphne has no setting for its factories.
    daphne.server.HTTPFactory = lambda server: ConnectionLimits(ConnectionFactory(server))
    daphne.server.WebSocketFactory = SocketFactory
    server = Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        ready_callable=start_tasks,
        server_name="",
        http_timeout=120,
        ping_interval=20,
        ping_timeout=30,
        application_close_timeout=5,
    )
    server.run()
    renders.shut_down()
    return bool(started)
