"""The server's side of WebSocket connections (RFC 6455): enough for one that pushes messages."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
from contextlib import suppress
from threading import Lock
from typing import Any

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode(), usedforsecurity=False).digest()).decode()


class Connection:
    """One client's. `features`: what it says that it can take. `sent`: how many messages it got."""

    def __init__(self, connection: socket.socket, client_id: str) -> None:
        self.client_id = client_id
        self.features: dict[str, Any] = {}
        self.sent = 0
        self._socket = connection
        self._lock = Lock()

    def send(self, message: dict[str, Any] | bytes) -> None:
        kind = BINARY if isinstance(message, bytes) else TEXT
        self._frame(kind, message if isinstance(message, bytes) else json.dumps(message).encode())
        self.sent += 1

    def serve(self) -> None:
        """Reads until the client has gone."""
        while True:
            head = self._read(2)
            if head is None:
                return
            kind, size = head[0] & 0x0F, head[1] & 0x7F
            if size > 125:
                extended = self._read(2 if size == 126 else 8) or b""
                size = int.from_bytes(extended, "big")
            mask, masked = self._read(4), self._read(size)
            if mask is None or masked is None:
                return
            content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))
            if kind == CLOSE:
                self._frame(CLOSE, content[:2])
                return
            if kind == PING:
                self._frame(PONG, content)
            elif kind == TEXT:
                self._hear(content)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _hear(self, content: bytes) -> None:
        with suppress(ValueError):
            body = json.loads(content)
            if body.get("type") == "feature_flags":
                self.features = body["data"]

    def _frame(self, kind: int, content: bytes) -> None:
        size = len(content)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, size)
        elif size < 2**16:
            head = struct.pack(">BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 127, size)
        with self._lock, suppress(OSError):
            self._socket.sendall(head + content)

    def _read(self, size: int) -> bytes | None:
        content = b""
        while len(content) < size:
            try:
                part = self._socket.recv(size - len(content))
            except OSError:
                return None
            if not part:
                return None
            content += part
        return content
