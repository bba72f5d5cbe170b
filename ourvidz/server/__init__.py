"""Daphne, configured: what it lacks is in this package."""

from __future__ import annotations

import asyncio

import daphne.server  # first: it installs Twisted's reactor
import structlog
from channels.db import database_sync_to_async
from daphne.endpoints import build_endpoint_description_strings
from django.db import Error

from generation.live import renders
from generation.queue import reap_hold
from ourvidz.server.connections import ConnectionFactory
from ourvidz.server.sockets import SocketFactory, SocketServer

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


def serve(*, host: str, port: int) -> bool:
    """Serve until a signal stops it; False when the address could not be had."""
    from ourvidz.asgi import application

    started: list[asyncio.Task[None]] = []
    loop = daphne.server.twisted_loop
    # Daphne has no setting for its factories.
    daphne.server.HTTPFactory = ConnectionFactory
    daphne.server.WebSocketFactory = SocketFactory
    SocketServer(
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
