"""A connection: deadlines for what its client sends and takes, and back-pressure both ways."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from typing import Any

import structlog
from daphne.http_protocol import HTTPFactory
from django.conf import settings
from twisted.protocols.basic import LineReceiver

from ourvidz.server.bodies import LingeringChannel
from ourvidz.server.requests import Request

log = structlog.get_logger("ourvidz.server")
KEEP_ALIVE_SECONDS = 75
# Each second of a body's time is bought with this much of it, up to REQUEST_BODY_SECONDS.
BODY_BYTES_PER_SECOND = 16 * 1024
# What the kernel keeps of an answer beyond what is on its way.
UNSENT_BYTES = 128 * 1024
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(LingeringChannel):
    """Twisted's, which has one timer that each byte starts anew, and whose answers wait for nobody.

    Its limits hold as they are: 16 KiB of header and 500 lines of it, 16 KiB of requests that came too early.
    """

    _networkProducer: Any  # noqa: N815 - Twisted's name

    def __init__(self) -> None:
        super().__init__()
        self._is_idle = False
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._stall_check: Any = None
        self._unsent = 0
        self._body_deadline = self._body_seconds_left = 0.0

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        super().connectionMade()
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self.transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    # Deadlines of a request

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        if self._is_idle:
            self._is_idle = False
            self.setTimeout(settings.REQUEST_HEADER_SECONDS)
        LineReceiver.dataReceived(self, data)  # without starting the timer anew

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802 - Twisted's name
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a length of more digits than Python reads
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        if self.length != 0:
            self._allow_body(settings.REQUEST_BODY_SECONDS)
        super().allHeadersReceived()

    def hold_body(self) -> None:
        """Read no more of a body for now; the time until `go_on_with_body` is not its client's."""
        if self.timeOut is not None:
            self._body_seconds_left = self._body_deadline - self.factory.reactor.seconds()
            self.setTimeout(None)
        self._networkProducer.pauseProducing()

    def go_on_with_body(self) -> None:
        if self._transferDecoder is not None:  # else all of it is here
            self._allow_body(self._body_seconds_left)
        self._networkProducer.resumeProducing()

    def _allow_body(self, seconds: float) -> None:
        self._body_deadline = self.factory.reactor.seconds() + seconds
        self.setTimeout(max(0, seconds))

    def _extend_body_deadline(self, received: int) -> None:
        left = self._body_deadline - self.factory.reactor.seconds()
        self._allow_body(min(left + received / BODY_BYTES_PER_SECOND, settings.REQUEST_BODY_SECONDS))

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        if self.timeOut is not None:
            self._extend_body_deadline(len(data))
        super().rawDataReceived(data)
        # Twisted goes on reading what comes too early while the client does not take its answer.
        if self._handlingRequest and self._waitingForTransport and self._has_too_early():
            self._networkProducer.pauseProducing()

    def _has_too_early(self) -> bool:
        return sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize

    def requestDone(self, request: Any) -> None:  # noqa: N802 - Twisted's name
        self._savedTimeOut = KEEP_ALIVE_SECONDS
        self._is_idle = True
        super().requestDone(request)

    def timeoutConnection(self) -> None:  # noqa: N802 - Twisted's name
        if self.requests and not self.requests[-1].startedWriting:
            self.transport.write(TIMED_OUT)
        super().timeoutConnection()

    # Back-pressure of an answer

    async def drain(self) -> None:
        """Wait until the transport's buffer is below its bound, 64 KiB, or the connection has gone."""
        await self._has_room.wait()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        super().pauseProducing()
        self._has_room.clear()
        self._watch_reader()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        super().resumeProducing()
        self._has_room.set()
        self._end_watch()

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        super().loseConnection()
        # What is buffered is still sent, to whoever takes it in time.
        self._has_room.clear()
        self._watch_reader()

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802 - Twisted's name
        self._end_watch()
        self._has_room.set()
        super().connectionLost(reason)

    def _watch_reader(self) -> None:
        self._end_watch()
        self._unsent = _unsent(self.transport)
        self._stall_check = self.callLater(settings.RESPONSE_STALL_SECONDS, self._check_reader)

    def _end_watch(self) -> None:
        if self._stall_check is not None and self._stall_check.active():
            self._stall_check.cancel()

    def _check_reader(self) -> None:
        """Cut a client that took nothing in all that time; nothing was added meanwhile."""
        if _unsent(self.transport) < self._unsent:
            self._watch_reader()
            return
        log.info("response.stalled", client=self.transport.getPeer().host)
        self.transport.abortConnection()


def _unsent(transport: Any) -> int:
    """Bytes that the client has not acknowledged: Twisted's and the kernel's."""
    buffered: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    with contextlib.suppress(OSError):
        answer = fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, bytes(4))
        buffered += struct.unpack("i", answer)[0]
    return buffered


def connection_of(protocol: Any) -> Connection | None:
    """The connection of a request; None of a socket, which waits for itself."""
    found = getattr(protocol, "channel", None)
    return found if isinstance(found, Connection) else None


class ConnectionFactory(HTTPFactory):
    """Daphne's factory, making our connections and requests."""

    protocol = Connection

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = settings.REQUEST_HEADER_SECONDS

    def buildProtocol(self, addr: object) -> Any:  # noqa: N802 - Twisted's name
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol
