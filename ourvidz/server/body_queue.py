"""The body of one request between the transport and the application, as ASGI's `receive` hands it over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

# The transport is held back when so much waits; one more read of it, 64 KiB, may come.
HIGH_WATER_BYTES = 64 * 1024


class BodyQueue:
    """Holds little: the transport is held back until the application asks, and again when it is slow.

    `hold` and `go_on` are called to stop and to start reading from the transport.
    """

    def __init__(self, *, hold: Callable[[], None], go_on: Callable[[], None]) -> None:
        self._hold, self._go_on = hold, go_on
        self._waiting = bytearray()
        self._changed = asyncio.Event()
        self.is_held = False
        self._is_handed_over = False
        self._is_disconnected = False
        self.is_complete = False

    def hold(self) -> None:
        if not self.is_held:
            self.is_held = True
            self._hold()

    def feed(self, data: bytes) -> None:
        """More of the body has come."""
        self._waiting += data
        if len(self._waiting) >= HIGH_WATER_BYTES:
            self.hold()
        self._changed.set()

    def complete(self) -> None:
        """All of the body has come."""
        self.is_complete = True
        self._changed.set()

    def put_nowait(self, message: dict[str, Any]) -> None:
        """Take a message of daphne's: of those that it makes only the disconnect counts here."""
        if message["type"] == "http.disconnect":
            self._is_disconnected = True
            self._waiting.clear()
            self._changed.set()

    async def receive(self) -> dict[str, Any]:
        """ASGI's: what has come of the body, at last the disconnect."""
        while not self._is_disconnected and not self._has_next():
            self._release()
            self._changed.clear()
            await self._changed.wait()
        if self._is_disconnected:
            return {"type": "http.disconnect"}
        body = bytes(self._waiting)
        self._waiting.clear()
        self._is_handed_over = self.is_complete
        if self.is_complete:
            self._release()
        return {"type": "http.request", "body": body, "more_body": not self.is_complete}

    def _has_next(self) -> bool:
        return bool(self._waiting) or (self.is_complete and not self._is_handed_over)

    def _release(self) -> None:
        if self.is_held:
            self.is_held = False
            self._go_on()
