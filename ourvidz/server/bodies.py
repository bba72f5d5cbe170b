"""Request bodies: the application runs when the headers are there, and the body comes as it asks for it.

Who may send how much is the application's to say (ourvidz.admission). An answer that is given before the
whole body has come closes the connection.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from daphne.http_protocol import WebRequest
from twisted.web.http import HTTPChannel

from ourvidz.server.body_queue import BodyQueue

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What is still read, and thrown away, of a body that was refused, so that its sender hears why: a connection
# that is closed with unread bytes is reset, and the answer with it (RFC 9112, 9.6).
DISCARDED_BYTES = 1024 * 1024
DISCARD_SECONDS = 2


class LingeringChannel(HTTPChannel):
    """Closes in two steps when a body was not read to its end: first only what we send."""

    transport: Any
    has_unread_body = False

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        if not self.has_unread_body:
            super().loseConnection()
            return
        self.has_unread_body = False
        self.setTimeout(None)
        self._discarded = 0
        # Nothing that comes is a request any more.
        self.dataReceived = self._discard  # type: ignore[method-assign] # as Twisted does it for WebSockets
        self._networkProducer.unregisterProducer()
        self.transport.loseWriteConnection()
        self.transport.resumeProducing()
        self._abortingCall = self.callLater(DISCARD_SECONDS, self.forceAbortClient)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > DISCARDED_BYTES:
            self.transport.pauseProducing()


class StreamedBody(WebRequest):
    """A request whose body goes to the application by `body.receive`, not through daphne's queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.body = BodyQueue(hold=self._hold_back, go_on=self._go_on)
        self._start: asyncio.Handle | None = None
        self._has_started = False
        self._continue_is_expected = False

    # The body, as the channel has it

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        # Nothing is kept here, nor parsed on the event loop, which Twisted does with forms.
        super().gotLength(0)
        if length == 0:
            return
        self._note_expectation()
        self.body.hold()
        # In the next turn: an answer that is given within this one would end the request under its parser.
        self._start = asyncio.get_event_loop().call_soon(self._start_early)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._continue_is_expected = False
        self.body.feed(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
        self.body.complete()
        if not self._has_started:
            self._has_started = True
            super().requestReceived(command, path, version)
        self.request_start = time.time()

    def _start_early(self) -> None:
        if self._has_started or self.channel is None:
            return
        self._has_started = True
        channel = self.channel
        super().requestReceived(channel._command, channel._path, channel._version)

    def process(self) -> Any:
        if not self.body.is_complete and self.requestHeaders.hasHeader(b"Upgrade"):
            # Its bytes would be taken for the other protocol's.
            self.basic_error(400, b"Bad Request", "A request to upgrade has no body")
            return None
        return super().process()

    # Holding the client back

    def _note_expectation(self) -> None:
        """The channel would answer Expect at once; the client is to send when the application asks."""
        expected = self.requestHeaders.getRawHeaders(b"Expect", [b""])[0].lower() == b"100-continue"
        if expected and self.channel._version == b"HTTP/1.1":
            self._continue_is_expected = True
            self.requestHeaders.removeHeader(b"Expect")

    def _hold_back(self) -> None:
        self.request_start = time.time()  # the application's turn
        self.channel.hold_body()

    def _go_on(self) -> None:
        if self.channel is None:
            return
        if self._continue_is_expected and not self.startedWriting:
            self._continue_is_expected = False
            self.channel.write(CONTINUE)
        self.channel.go_on_with_body()

    # Answers

    def check_timeouts(self) -> None:
        """The time for an answer is the application's; a body that does not come, the connection's."""
        if self.body.is_complete or self.body.is_held:
            super().check_timeouts()

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and not self.finished and self.channel is not None:
            self._close_after_answer()
        super().handle_reply(message)

    def _close_after_answer(self) -> None:
        if not self.body.is_complete:
            self.channel.persistent = False
            self.setHeader(b"connection", b"close")

    def finish(self) -> None:
        if not self.body.is_complete:
            self.channel.has_unread_body = True
        super().finish()
