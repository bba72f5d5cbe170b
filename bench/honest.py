"""Honest callers of a server: a user who reads and submits, a worker who delivers, a page that is open."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.conf import settings

from bench.live_stage import CSRF_TOKEN, Owner, Page
from bench.websocket import Refused
from tests.factories import png

READS = ("/", "/api/v1/jobs?limit=20", "/library/", "/api/v1/me")
READ_EVERY_S = 0.3
JOB_EVERY_S = 1.0
LATE_S = 30
LEASE_TRIES = 40


class Failed(Exception):
    """A call that did not get what it should, which is counted already."""


@dataclass(slots=True)
class Calls:
    """What the honest calls took (ms), and those that failed, by what they were."""

    took_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def figures(self) -> tuple[float, float]:
        """Median and 95th percentile."""
        every = sorted(self.took_ms) or [0.0]
        return every[len(every) // 2], every[min(len(every) - 1, int(0.95 * len(every)))]


@dataclass(slots=True)
class Honest:
    """Reads come at an even pace, whatever became of those before: else a slow server would be asked less."""

    address: str
    owner: Owner
    user: httpx.AsyncClient
    worker: httpx.AsyncClient
    page: Page | None = None
    calls: Calls = field(default_factory=Calls)

    async def work(self, seconds: float) -> Calls:
        """The calls of so many seconds, all of them answered or late."""
        self.calls = Calls()
        ends_at = time.monotonic() + seconds
        await asyncio.gather(self._read_on(ends_at), self._make_on(ends_at))
        return self.calls

    async def is_served(self) -> bool:
        """Whether a request that needs the database is answered at once."""
        try:
            return (await self.user.get("/api/v1/me", timeout=5)).is_success
        except httpx.HTTPError:
            return False

    async def _read_on(self, ends_at: float) -> None:
        paths, reading = itertools.cycle(READS), []
        while time.monotonic() < ends_at:
            reading.append(asyncio.create_task(self._call(self.user, "GET", next(paths))))
            await asyncio.sleep(READ_EVERY_S)
        await asyncio.gather(*reading, return_exceptions=True)

    async def _make_on(self, ends_at: float) -> None:
        while time.monotonic() < ends_at:
            begun = time.monotonic()
            try:
                await self._make()
            except Failed:
                pass
            except (OSError, Refused, asyncio.IncompleteReadError, TimeoutError) as error:
                self.calls.failures[f"page {type(error).__name__}"] += 1
            await asyncio.sleep(max(0.05, JOB_EVERY_S - (time.monotonic() - begun)))

    async def _make(self) -> None:
        """A job submitted, leased, delivered, and shown on the open page."""
        page = await self._open_page()
        body = {"job_type": "sdxl_image_fast", "prompt": "an honest lighthouse"}
        job = (await self._call(self.user, "POST", "/api/v1/jobs", json=body)).json()
        lease = await self._leased()
        api = f"/api/v1/worker/jobs/{lease['job_id']}"
        token = lease["lease_token"]
        await self._call(self.worker, "POST", f"{api}/heartbeat", json={"lease_token": token, "progress": 50})
        slot = lease["slots"][0]
        headers = {"X-Lease-Token": token, "Content-Type": "image/png"}
        path = f"{api}/uploads/{slot['slot']}"
        stored = await self._call(self.worker, "PUT", path, content=png(), headers=headers)
        asset = {
            "image_index": slot["image_index"],
            "status": "completed",
            "upload_id": stored.json()["upload_id"],
        }
        report = {"job_id": lease["job_id"], "lease_token": token, "status": "completed", "assets": [asset]}
        begun = time.perf_counter()
        await self._call(self.worker, "POST", "/api/v1/worker/job-callback", json=report)
        await self._shown(page, job["id"], begun)

    async def _leased(self) -> dict[str, Any]:
        for _ in range(LEASE_TRIES):
            answer = await self._call(self.worker, "POST", "/api/v1/worker/lease", json={"engines": ["sdxl"]})
            if answer.status_code == httpx.codes.OK:
                return dict(answer.json())
            await asyncio.sleep(0.1)
        self.calls.failures["no job to lease"] += 1
        raise Failed

    async def _call(self, client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
        """One request; the time until its whole answer counts, and anything but a 2xx is a failure."""
        begun = time.perf_counter()
        try:
            answer = await client.request(method, path, **more)
            problem = "" if answer.is_success else str(answer.status_code)
        except httpx.HTTPError as error:
            problem = type(error).__name__
        self.calls.took_ms.append(1000 * (time.perf_counter() - begun))
        if problem:
            self.calls.failures[f"{method} {path.split('?')[0][:24]} {problem}"] += 1
            raise Failed
        return answer

    async def _open_page(self) -> Page:
        if self.page and self.page.reader and self.page.reader.done():
            self.calls.failures["page closed"] += 1
            self.page.close()
            self.page = None
        if self.page is None:
            self.page = await asyncio.wait_for(Page.open(self.address, self.owner), LATE_S)
        return self.page

    async def _shown(self, page: Page, job_id: str, begun: float) -> None:
        """Until the page has been sent the finished job."""
        limit = time.monotonic() + LATE_S
        named = job_id.encode()
        while not any(at > begun and named in text for at, _, text in page.messages):
            if time.monotonic() > limit or page.reader is None or page.reader.done():
                self.calls.failures["page not told"] += 1
                raise Failed
            await asyncio.sleep(0.005)
        self.calls.took_ms.append(1000 * (time.perf_counter() - begun))
        page.messages.clear()


@asynccontextmanager
async def honest_callers(address: str, owner: Owner, worker_token: str) -> AsyncIterator[Honest]:
    """The user opens a connection for each request, as after a pause; the worker keeps its own open."""
    cookies = {settings.SESSION_COOKIE_NAME: owner.session, settings.CSRF_COOKIE_NAME: CSRF_TOKEN}
    fresh = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
    kept = httpx.AsyncHTTPTransport(local_address="127.0.0.3")
    bearer = {"Authorization": f"Bearer {worker_token}"}
    csrf = {"X-CSRFToken": CSRF_TOKEN}
    async with (
        httpx.AsyncClient(
            base_url=address, cookies=cookies, headers=csrf, transport=fresh, timeout=LATE_S, trust_env=False
        ) as user,
        httpx.AsyncClient(
            base_url=address, headers=bearer, transport=kept, timeout=LATE_S, trust_env=False
        ) as worker,
    ):
        honest = Honest(address, owner, user, worker)
        try:
            yield honest
        finally:
            if honest.page:
                honest.page.close()
