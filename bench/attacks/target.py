"""The server under attack, and what the attackers have: a session, a token, a worker, files."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SEND_BYTES = 64 * 1024
Headers = Mapping[str, str]
NONE: Headers = {}


@dataclass(slots=True)
class Target:
    """One attack's means. `seen` counts what became of its calls, by status or by name."""

    name: str
    port: int
    seconds: float
    session: str
    token: str
    worker_token: str
    big_file: str
    pictures: list[str]
    video: str
    seen: Counter[str] = field(default_factory=Counter)
    ends_at: float = 0.0

    def __post_init__(self) -> None:
        self.ends_at = time.monotonic() + self.seconds

    @property
    def is_on(self) -> bool:
        return self.left_s > 0

    @property
    def left_s(self) -> float:
        return max(0.0, self.ends_at - time.monotonic())

    async def connect(self, address: str = "127.0.0.66") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))

    def head(self, method: str, path: str, more: Headers = NONE, *, length: int = 0) -> bytes:
        headers = {"Host": f"127.0.0.1:{self.port}", **more}
        if length:
            headers["Content-Length"] = str(length)
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @property
    def cookie(self) -> str:
        return f"sessionid={self.session}"

    async def call(self, method: str, path: str, body: bytes = b"", headers: Headers = NONE) -> bytes:
        """One request on a connection of its own; the answer as it came, empty when it was cut off."""
        try:
            async with asyncio.timeout(self.seconds + 10):
                return await self._call(method, path, body, headers)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.seen[type(error).__name__] += 1
            return b""

    async def _call(self, method: str, path: str, body: bytes, headers: Headers) -> bytes:
        reader, writer = await self.connect()
        try:
            writer.write(self.head(method, path, {"Connection": "close", **headers}, length=len(body)))
            for start in range(0, len(body), SEND_BYTES):
                writer.write(body[start : start + SEND_BYTES])
                await writer.drain()
            answer = await reader.read(-1)
        finally:
            writer.close()
        self.seen[answer[9:12].decode("latin1") or "closed"] += 1
        return answer

    async def post(self, path: str, content: Any, token: str) -> dict[str, Any]:
        """A JSON call; what it answered, empty unless that was JSON."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await self.call("POST", path, json.dumps(content).encode(), headers)
        text = answer.partition(b"\r\n\r\n")[2]
        try:
            return dict(json.loads(text[text.index(b"{") : text.rindex(b"}") + 1]))
        except ValueError:
            return {}

    async def repeat(self, count: int, once: Callable[[], Awaitable[object]], pause_s: float = 0.0) -> None:
        """So many at a time, again and again, until the time is over."""

        async def again() -> None:
            while self.is_on:
                await once()
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(again() for _ in range(count)))


async def settled(calls: Iterable[Awaitable[object]]) -> None:
    """All of them, whatever becomes of each."""
    await asyncio.gather(*calls, return_exceptions=True)
