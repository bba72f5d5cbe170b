"""Daphne, configured: what it lacks is in this package."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import daphne.server  # first: it installs Twisted's reactor
import structlog
from channels.db import database_sync_to_async
from daphne.endpoints import build_endpoint_description_strings
from django.db import Error

from generation.live import renders
from generation.queue import reap_hold
from ourvidz.server.connections import ConnectionFactory

log = structlog.get_logger("ourvidz.server")


async def send_beats() -> None:
    """Send beats from the event loop, so that they stop when nothing is served; the write is in a thread."""
    beat = database_sync_to_async(reap_hold.beat, thread_sensitive=False)
    while True:
        try:
            await beat()
        except Error as error:  # whichever: without beats no lease is reaped
            log.warning("beat.database_away", error=type(error).__name__)
        await asyncio.sleep(reap_hold.beat_seconds())


class Server(daphne.server.Server):
    """Daphne's, whose requests hand their bodies over themselves."""

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


def serve(*, host: str, port: int) -> bool:
    """Serve until a signal stops it; False when the address could not be had."""
    from ourvidz.asgi import application

    started: list[asyncio.Task[None]] = []
    loop = daphne.server.twisted_loop
    # Daphne has no setting for its factory.
    daphne.server.HTTPFactory = ConnectionFactory
    Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        ready_callable=lambda: started.append(loop.create_task(send_beats())),
        server_name="",
        http_timeout=120,
        ping_interval=20,
        ping_timeout=30,
        application_close_timeout=5,
    ).run()
    renders.shut_down()
    return bool(started)
