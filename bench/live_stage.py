"""What `bench.live` measures on: a real server, owners with open pages, and callbacks ready to be sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

from bench.websocket import WebSocket
from tests.functional.callers import Machine, session_of
from tests.functional.installation import Installation

LATE_S = 60  # what has not come by then is lost
CSRF_TOKEN = "c" * 32
REVISION = re.compile(rb'"type": "changes", "revision": (\d+)')


@dataclass(slots=True)
class Callback:
    """One image reported. Its commit is `revision`, heard of at `at`; `done` of the job's are made then."""

    owner_id: int
    job: dict[str, Any]
    asset: dict[str, Any]
    done: int
    revision: int = 0
    at: float = 0.0

    @property
    def job_id(self) -> str:
        return str(self.job["job_id"])


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody signed in."""

    user_id: int
    session: str


@dataclass(slots=True)
class Page:
    """An open Workspace: what came, and when."""

    owner_id: int
    socket: WebSocket
    revision: int = 0
    messages: list[tuple[float, int, bytes]] = field(default_factory=list)
    reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, address: str, owner: Owner) -> Self:
        page = cls(owner.user_id, await WebSocket.open(address, "/ws/workspace/", session=owner.session))
        page.reader = asyncio.create_task(page._read())
        page.socket.send({"after": 0, "user": str(owner.user_id)})
        return page

    def close(self) -> None:
        if self.reader:
            self.reader.cancel()
        self.socket.close()

    async def _read(self) -> None:
        """Parses nothing: that would make the next page's message look late."""
        while (text := await self.socket.receive()) is not None:
            if found := REVISION.search(text[:80]):
                self.revision = max(self.revision, int(found[1]))
                self.messages.append((time.perf_counter(), int(found[1]), text))

    def arrival(self, callback: Callback) -> float | None:
        return next((at for at, revision, _ in self.messages if revision >= callback.revision), None)

    def stacks(self) -> list[tuple[str, str]]:
        """Each job's id and HTML as they came."""
        found = [job for _, _, text in self.messages for job in json.loads(text)["jobs"]]
        return [(job["id"], job["html"]) for job in found]


class Stage:
    """The server, a worker, and owners with work in hand; made before anything is measured."""

    def __init__(self, live: Installation, redis_url: str) -> None:
        self.live = live
        self.machine: Machine = live.machine()
        self.http = httpx.Client(base_url=live.address, timeout=LATE_S, trust_env=False)
        self.layer = RedisPubSubChannelLayer(hosts=[redis_url])
        assert live.web is not None
        self._server_stat = Path(f"/proc/{live.web.process.pid}/stat")

    def processor_ms(self) -> float:
        """Of the server, so far."""
        fields = self._server_stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def owner(self) -> Owner:
        user = self.live.user()
        return Owner(user.pk, session_of(user))

    def leased_job_callbacks(self, owner: Owner, images: int) -> list[Callback]:
        """A job of the owner's in the worker's hands, all its files uploaded."""
        cookies = f"{settings.SESSION_COOKIE_NAME}={owner.session}; {settings.CSRF_COOKIE_NAME}={CSRF_TOKEN}"
        answer = self.http.post(
            "/api/v1/jobs",
            json={"job_type": "sdxl_image_fast", "prompt": "a lighthouse", "quantity": images},
            headers={"Cookie": cookies, "X-CSRFToken": CSRF_TOKEN},
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text
        job = self.machine.lease()
        assets = [self.machine.delivered(job, slot["slot"]) for slot in job["slots"]]
        return [Callback(owner.user_id, job, asset, done + 1) for done, asset in enumerate(assets)]

    def call_back(self, callback: Callback) -> None:
        last = callback.done == len(callback.job["slots"])
        answer = self.machine.report(
            callback.job, callback.asset, status="completed" if last else "processing"
        )
        assert answer.json()["accepted"], answer.text

    @contextlib.asynccontextmanager
    async def pages(self, owners: Sequence[Owner], each: int) -> AsyncIterator[list[Page]]:
        """So many open pages of each owner, greeted."""
        async with contextlib.AsyncExitStack() as stack:
            opened = []
            for owner in [owner for owner in owners for _ in range(each)]:
                page = await Page.open(self.live.address, owner)
                stack.callback(page.close)
                opened.append(page)
                await until(lambda now=page: now.messages)
                assert page.messages, "a page was not greeted"
            yield opened

    @contextlib.asynccontextmanager
    async def hints(self, callbacks: Sequence[Callback]) -> AsyncIterator[None]:
        """Notes when each of the callbacks committed."""
        waiting: dict[str, list[Callback]] = {}
        for callback in callbacks:
            waiting.setdefault(callback.job_id, []).append(callback)
        channel = await self.layer.new_channel()
        for owner_id in {callback.owner_id for callback in callbacks}:
            await self.layer.group_add(f"owner-{owner_id}", channel)

        async def listen() -> None:
            while True:
                message = await self.layer.receive(channel)
                now = time.perf_counter()
                for job_id in message.get("jobs", []):
                    callback = waiting[job_id].pop(0)
                    callback.at, callback.revision = now, message["revision"]

        listener = asyncio.create_task(listen())
        try:
            yield
        finally:
            listener.cancel()
            await self.layer.flush()


async def until(condition: Any) -> bool:
    """Whether it came true in time."""
    limit = time.monotonic() + LATE_S
    while not condition():
        if time.monotonic() > limit:
            return False
        await asyncio.sleep(0.005)
    return True
