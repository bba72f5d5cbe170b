"""Django's ASGI handler with one crossing to a thread for each request.

The stock handler crosses once for every synchronous middleware; pages and REST are synchronous here,
so one crossing around all of them halves the CPU of a request (measured: 2.7-4.4 ms against 5.4-8.8 ms).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

import django
from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import close_old_connections, connections

from generation.changes import publisher

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

    from generation.http.asgi import Receive


# Of a body that is on its way; the rest lies on the disk.
IN_MEMORY_BYTES = 64 * 1024
# How long a request waits for another writer of SQLite before it says so; commands and chores wait longer.
BUSY_SECONDS = 2.5


class FileRequest(ASGIRequest):
    """A request whose whole body is a file that can be rewound: `body_file`."""

    def __init__(self, scope: Any, body_file: IO[bytes]) -> None:
        super().__init__(scope, body_file)
        self.body_file = body_file


class SingleThreadHandler(ASGIHandler):
    """Runs the whole middleware chain and the view in one thread."""

    request_class = FileRequest

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        super().load_middleware(is_async=False)

    async def read_body(self, receive: Receive) -> IO[bytes]:
        """The body as a file in BODY_DIR that only we can open; small ones stay in memory.

        What goes to the disk is written in a thread: a slow disk holds back the sender, and nobody else.
        """
        body = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES, dir=str(settings.BODY_DIR))  # noqa: SIM115 - the request closes it
        try:
            await _receive_into(body, receive)
        except BaseException:
            body.close()
            raise
        body.seek(0)
        return cast("IO[bytes]", body)

    async def get_response_async(self, request: ASGIRequest) -> HttpResponseBase:  # type: ignore[override] # the stub says HttpResponse
        publisher.send_on(asyncio.get_running_loop())
        return await sync_to_async(self._respond, thread_sensitive=True)(request)

    def _respond(self, request: ASGIRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            # Django would keep it until the last byte is sent, and a reader may take its time.
            close_old_connections()

    async def send_response(self, response: Any, send: Any) -> None:
        if response.streaming:
            _release_thread()
            if not response.is_async:
                # Django would read the whole of it into memory.
                response.streaming_content = _read_in_threads(response.streaming_content)
        await super().send_response(response, send)


def _release_thread() -> None:
    """End the thread of this request; closing the response, much later perhaps, starts another."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:
        return
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is not None:
        executor.shutdown(wait=False)


async def _read_in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each chunk is read when it is sent, in a thread that is anybody's."""

    def read() -> bytes | None:
        return next(chunks, None)

    while (chunk := await sync_to_async(read, thread_sensitive=False)()) is not None:
        yield chunk


async def _receive_into(body: SpooledTemporaryFile[bytes], receive: Receive) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        chunk = message.get("body", b"")
        if body.tell() + len(chunk) <= IN_MEMORY_BYTES:
            body.write(chunk)
        else:
            await asyncio.to_thread(body.write, chunk)
        more = message.get("more_body", False)


def application() -> SingleThreadHandler:
    """The Django half of the ASGI application, after Django's set-up."""
    django.setup(set_prefix=False)
    database = connections.settings["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"]["timeout"] = BUSY_SECONDS
    settings.BODY_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    return SingleThreadHandler()
