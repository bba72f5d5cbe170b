"""Sockets of a user who means harm: frames that no browser sends, and answers left unread."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from bench.websocket import WebSocket

TEXT, CONTINUATION, CLOSE, PING = 1, 0, 8, 9
FIN, COMPRESSED = 0x80, 0x40


def frame(content: bytes, kind: int = TEXT, *, flags: int = FIN) -> bytes:
    """A client's frame; masked by zeros, which leaves the content as it is."""
    size = len(content)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 2**16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([flags | kind]) + length + bytes(4) + content


def greeting(after: int = 0, padding: int = 0) -> bytes:
    """What asks for everything after a revision."""
    return frame(json.dumps({"after": after, "padding": "x" * padding}).encode())


@dataclass(slots=True)
class Attacker:
    """One socket that sends the same again and again, until the server ends it or the test does."""

    socket: WebSocket
    sent: int = 0  # bytes that the server, or the network, took
    code: int | None = None  # with which the server closed it
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def open(cls, address: str, session: str, path: str = "/ws/workspace/") -> Self:
        return cls(await WebSocket.open(address, path, session=session))

    async def repeat(self, content: Callable[[], bytes]) -> None:
        """Send as fast as it is taken."""
        with contextlib.suppress(ConnectionError):
            while not self.over.is_set():
                part = content()
                self.socket.writer.write(part)
                await self.socket.writer.drain()
                self.sent += len(part)
                await asyncio.sleep(0)
        self.over.set()

    async def read(self) -> None:
        """Read and forget all that comes, but for the close code."""
        reader = self.socket.reader
        try:
            while True:
                first, size = await reader.readexactly(2)
                if size >= 126:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
                content = await reader.readexactly(size)
                if first & 0x0F == CLOSE:
                    self.code = int.from_bytes(content[:2], "big")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.over.set()


@contextlib.asynccontextmanager
async def attacking(
    address: str,
    session: str,
    count: int,
    content: Callable[[], bytes] | None = None,
    *,
    reading: bool = True,
) -> AsyncIterator[list[Attacker]]:
    """So many sockets that send `content` all the time, and read what comes or leave it."""
    attackers, tasks = [], []
    try:
        for _ in range(count):
            attackers.append(each := await Attacker.open(address, session))
            if reading:
                tasks.append(asyncio.create_task(each.read()))
            else:
                transport: Any = each.socket.writer.transport
                transport.pause_reading()
            if content:
                tasks.append(asyncio.create_task(each.repeat(content)))
        yield attackers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in attackers:
            each.socket.writer.transport.abort()
