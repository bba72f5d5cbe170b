"""Daphne, configured: bodies are not parsed on the event loop and are capped."""

from __future__ import annotations

import asyncio
from typing import Any

import daphne.server
import structlog
from channels.db import database_sync_to_async
from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from django.db import Error

from generation.live import renders
from generation.media import decoders
from generation.queue import reap_hold

log = structlog.get_logger("ourvidz.server")
# Above the cap of an upload, so that the view can answer those in words.
BODY_BYTES = settings.MAX_UPLOAD_BYTES + 16 * 1024 * 1024
REFUSAL = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedRequest(WebRequest):
    """A request whose body is left to Django and ends at the cap."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Twisted would parse a form in memory on the event loop: 200 MB block it for 12 s.
        self._parsePOSTFormSubmission = False
        self._received = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        super().gotLength(length)
        if length is not None and length > BODY_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        was_refused = self._received > BODY_BYTES
        self._received += len(data)
        if self._received <= BODY_BYTES:
            super().handleContentChunk(data)
        elif not was_refused:
            self._refuse()

    def _refuse(self) -> None:
        self._received = BODY_BYTES + 1
        self.channel.transport.write(REFUSAL)
        self.channel.loseConnection()


class BoundedFactory(HTTPFactory):
    """Daphne's factory, making our requests."""

    def buildProtocol(self, addr: object) -> Any:  # noqa: N802 - Twisted's name
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


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
    decoders.warm_up()
    # Daphne has no setting for its factory.
    daphne.server.HTTPFactory = BoundedFactory
    daphne.server.Server(
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
