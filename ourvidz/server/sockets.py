"""Sockets: daphne's, with bounds on what a browser may send, and on what it may leave unread.

A browser sends its revision once and a ping now and then. So messages are short and few; what comes faster
waits in the browser, by TCP's own back-pressure, and is not read into our memory.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import daphne.server  # first: it installs Twisted's reactor
import structlog
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

log = structlog.get_logger("ourvidz.server")
MESSAGE_BYTES = 4096
MESSAGE_FRAMES = 16
MESSAGES_WAITING = 4  # for the application
FRAMES_AT_ONCE, FRAMES_PER_SECOND = 32, 4
UNREAD_SECONDS = 30.0  # how long a message may wait for a browser that does not read
CLOSING_SECONDS = 5.0
TOO_BIG, UNREAD = 1009, 4408  # the browser connects again after UNREAD


class FrameRate:
    """A token bucket: so many frames at once, and so many a second."""

    def __init__(self) -> None:
        self._full_at = 0.0  # by when the bucket is full again

    def take(self) -> None:
        self._full_at = max(self._full_at, time.monotonic()) + 1 / FRAMES_PER_SECOND

    def wait_seconds(self) -> float:
        """How long until the next may be taken; 0 for now."""
        until_full = self._full_at - time.monotonic()
        return max(0.0, until_full - (FRAMES_AT_ONCE - 1) / FRAMES_PER_SECOND)


class SendBuffer:
    """Whether the transport's buffer, of 64 KiB, has room; as its IPushProducer it is told."""

    def __init__(self) -> None:
        self.has_room = asyncio.Event()
        self.has_room.set()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.has_room.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.has_room.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.has_room.set()


class BoundedSocket(WebSocketProtocol):
    """A socket whose messages, and unread answers, are bounded."""

    _timer: asyncio.TimerHandle | None = None
    _frames_of_message = 0

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        super().connectionMade()
        self._rate = FrameRate()
        self._unsent = SendBuffer()
        self.transport.unregisterProducer()  # the HTTP channel that it was
        self.transport.registerProducer(self._unsent, True)  # noqa: FBT003 - Twisted's signature

    def connectionLost(self, *reason: Any) -> None:  # noqa: N802 - Twisted's name
        self._unsent.has_room.set()
        if self._timer:
            self._timer.cancel()
        super().connectionLost(*reason)

    # The handshake

    def onConnect(self, request: Any) -> Any:  # noqa: N802 - Autobahn's name
        """Nothing is read until it is known whose socket this is. Daphne reads on after this call."""
        asyncio.get_running_loop().call_soon(self._pause_until_open)
        return super().onConnect(request)

    def onClose(self, *how: Any) -> None:  # noqa: N802 - Autobahn's name
        """Daphne's, unless the handshake was refused before daphne heard of it."""
        if hasattr(self, "request"):
            super().onClose(*how)

    def _pause_until_open(self) -> None:
        if self.state == self.STATE_CONNECTING:
            self.transport.pauseProducing()

    def onOpen(self) -> None:  # noqa: N802 - Autobahn's name
        super().onOpen()
        self.transport.resumeProducing()

    # From the browser

    def consumeData(self) -> None:  # noqa: N802 - Autobahn's name
        """As Autobahn's, but frame by frame at the rate, while the application keeps up."""
        if self.state not in (self.STATE_OPEN, self.STATE_CLOSING):
            super().consumeData()
            return
        while self.state != self.STATE_CLOSED:
            if self.failedByMe:  # the rest is not even looked at
                self.data = b""
                return
            is_new = self.current_frame is None
            if is_new and self._must_wait():
                return
            goes_on = self.processData()
            if is_new and self.current_frame is not None:
                self._rate.take()
            if not goes_on:
                return

    def _must_wait(self) -> bool:
        """Whether the next frame must wait; reading is then paused until it need not."""
        wait_seconds = self._rate.wait_seconds()
        if self.application_queue.qsize() >= MESSAGES_WAITING:
            wait_seconds = max(wait_seconds, 1 / FRAMES_PER_SECOND)
        if not wait_seconds:
            return False
        self.transport.pauseProducing()
        self._call_later(wait_seconds, self._read_on)
        return True

    def _read_on(self) -> None:
        if not self.failedByMe:
            self.transport.resumeProducing()
            self.consumeData()

    def _call_later(self, seconds: float, call: Any) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, call)

    def onMessageBegin(self, is_binary: bool) -> None:  # noqa: FBT001, N802 - Autobahn's signature
        super().onMessageBegin(is_binary)
        self._frames_of_message = 0

    def onMessageFrameBegin(self, length: int) -> None:  # noqa: N802 - Autobahn's name
        """Called with a frame's header: its content was not read yet."""
        super().onMessageFrameBegin(length)
        self._frames_of_message += 1
        if self.message_data_total_length > MESSAGE_BYTES or self._frames_of_message > MESSAGE_FRAMES:
            self.sendCloseFrame(code=TOO_BIG)  # and is cut off a second later
            self.failedByMe = True
            self.transport.pauseProducing()

    def onPing(self, payload: bytes) -> None:  # noqa: N802 - Autobahn's name
        """Answered, unless earlier answers were left unread."""
        if self._unsent.has_room.is_set():
            super().onPing(payload)

    # To the browser

    def handle_reply(self, message: dict[str, Any]) -> None:
        """As daphne's; what comes too late for a socket that is being closed is dropped."""
        if self.state in (self.STATE_CONNECTING, self.STATE_OPEN):
            super().handle_reply(message)

    async def drain(self) -> None:
        """Wait until there is room for another message; a browser that leaves none for long is closed."""
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                await self._unsent.has_room.wait()
        except TimeoutError:
            log.info("socket.unread", path=self.request.path)
            self.serverClose(code=UNREAD)

    def _closeConnection(self, abort: bool = False) -> None:  # noqa: FBT001, FBT002, N802 - Autobahn's signature
        """As Autobahn's; one whose last words are left unread does not stay for ever."""
        super()._closeConnection(abort)
        if not abort:
            self._call_later(CLOSING_SECONDS, self.transport.abortConnection)


class SocketFactory(WebSocketFactory):
    """Daphne's factory, making our sockets."""

    protocol = BoundedSocket

    def setProtocolOptions(self, **options: Any) -> None:  # noqa: N802 - Autobahn's name
        """Autobahn's bound on messages would hold for ours to the browser too."""
        super().setProtocolOptions(**{**options, "maxMessagePayloadSize": 0, "maxFramePayloadSize": 0})


class SocketServer(daphne.server.Server):
    """A server whose sockets' applications wait while the browser does not read."""

    def protocol_disconnected(self, protocol: Any) -> None:
        """As daphne's, which has forgotten a socket that was refused some seconds before it is closed."""
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        await super().handle_reply(protocol, message)
        if isinstance(protocol, BoundedSocket):
            await protocol.drain()
