"""How many connections there may be, in all and from one address; those over that are answered 503."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from functools import lru_cache
from typing import Any, ClassVar

import structlog
from django.conf import settings
from twisted.internet import reactor
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from generation.core.client_address import network_of
from ourvidz import capacity

log = structlog.get_logger("ourvidz.server")
call_later: Any = reactor.callLater
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 10\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\r\n"
    b"too many connections\n"
)
# So that what the client still sends does not reset the connection before it has read the answer.
LINGER_SECONDS = 2
MAX_LINGERING = 64
REPORT_SECONDS = 5


@lru_cache(maxsize=4096)
def counted_as(host: str) -> str | None:
    """Under which address a connection is counted; None for a proxy's, which is everybody's."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    is_proxy = settings.HTTPS and (getattr(address, "ipv4_mapped", None) or address).is_private
    return None if is_proxy else network_of(address)


class Refusal(Protocol):
    """Answers 503 without a look at the request, and closes."""

    transport: Any
    lingering: ClassVar[list[Refusal]] = []

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self.transport.write(BUSY)
        self.transport.loseWriteConnection()
        self._end: Any = call_later(LINGER_SECONDS, self.transport.abortConnection)
        self.lingering.append(self)
        if len(self.lingering) > MAX_LINGERING:
            self.lingering.pop(0).transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802 - Twisted's name
        if self in self.lingering:
            self.lingering.remove(self)
        if self._end.active():
            self._end.cancel()


class ConnectionLimits(WrappingFactory):
    """Counts the connections of the factory that it wraps, from the first byte to the last: sockets too."""

    def __init__(self, factory: Any) -> None:
        super().__init__(factory)
        self._by_network: Counter[str] = Counter()
        self.refused = 0

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 - Twisted's name
        if not self._is_full(counted_as(addr.host)):
            return super().buildProtocol(addr)
        self.refused += 1
        return Refusal()

    def _is_full(self, network: str | None) -> bool:
        if len(self.protocols) >= capacity.connections.limit:
            return True
        return network is not None and self._by_network[network] >= settings.MAX_CONNECTIONS_PER_ADDRESS

    def registerProtocol(self, p: ProtocolWrapper) -> None:  # noqa: N802 - Twisted's name
        super().registerProtocol(p)
        self._count(p, 1)

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:  # noqa: N802 - Twisted's name
        super().unregisterProtocol(p)
        self._count(p, -1)

    def _count(self, protocol: ProtocolWrapper, change: int) -> None:
        capacity.connections.open = len(self.protocols)
        network = counted_as(protocol.getPeer().host)
        if network is None:
            return
        self._by_network[network] += change
        if not self._by_network[network]:
            del self._by_network[network]

    async def report(self) -> None:
        """Log what was refused and what runs out, at most a line of each in five seconds."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            refused, self.refused = self.refused, 0
            if refused:
                log.warning("connections.refused", refused=refused, open=len(self.protocols))
            if capacity.is_nearly_exhausted():
                limit = capacity.connections.limit
                log.warning("connections.nearly_exhausted", open=len(self.protocols), limit=limit)
