"""A page's socket for measuring: as much of RFC 6455 as its messages need, on asyncio."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LIMIT_BYTES = 2**24  # of what is read ahead


class Refused(Exception):
    """The server did not take the handshake; the message is its status line."""


@dataclass(slots=True)
class WebSocket:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, address: str, path: str, *, session: str) -> Self:
        """A socket of the session's user at `address` (http://host:port)."""
        host = urlsplit(address).netloc
        reader, writer = await asyncio.open_connection(*host.split(":"), limit=LIMIT_BYTES)
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            f"Origin: {address}",
            f"Cookie: {settings.SESSION_COOKIE_NAME}={session}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer.splitlines()[0]:
            raise Refused(answer.splitlines()[0].decode())
        return cls(reader, writer)

    def send(self, message: object) -> None:
        self._send(TEXT, json.dumps(message).encode())

    def _send(self, kind: int, content: bytes) -> None:
        assert len(content) < 126, "a short message"
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
        self.writer.write(bytes([0x80 | kind, 0x80 | len(content)]) + mask + masked)

    async def receive(self) -> bytes | None:
        """The next text message; None when the socket was closed."""
        while True:
            kind, content = await self._frame()
            if kind == CLOSE:
                return None
            if kind == PING:
                self._send(PONG, content)
            if kind == TEXT:
                return content

    async def _frame(self) -> tuple[int, bytes]:
        first, length = await self.reader.readexactly(2)
        assert first & 0x80, "a message in more than one frame"
        if length >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    def close(self) -> None:
        self.writer.close()
