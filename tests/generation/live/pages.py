"""Pages that send ids instead of HTML, and what the tests do with their sockets."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client

from generation.changes import publisher
from generation.changes.feed import Changes
from generation.live.consumer import LiveConsumer
from generation.live.pages import LivePage
from generation.models import Job
from tests.factories import make_job

QUIET_SECONDS = 0.3
Open = Callable[..., Awaitable[WebsocketCommunicator]]
WAIT_SECONDS = 20


class Ids(LivePage):
    def render(self, changes: Changes) -> dict[str, Any]:
        return {"jobs": sorted(map(str, changes.job_ids))}


class FewIds(Ids):
    page_size = 3


class WatchedIds(Ids):
    """Says which job moved on."""

    def render_progress(self, job_id: uuid.UUID) -> dict[str, Any] | None:
        return {"job": str(job_id)}


class MovingIds(Ids):
    """Something on it changes by itself: the number of renders."""

    moving_seconds = 0.1
    rendered: ClassVar[list[int]] = []

    def render(self, changes: Changes) -> dict[str, Any]:
        return {**Ids.render(self, changes), "moves": bool(changes.jobs)}

    def render_moving(self) -> dict[str, Any] | None:
        self.rendered.append(self.owner_id)
        return {"renders": min(2, len(self.rendered))}


class HeldIds(WatchedIds):
    """Counts its renders by owner, and holds those of the owners in `held` until they may go on."""

    renders: ClassVar[list[int]] = []
    held: ClassVar[dict[int, threading.Event]] = {}
    has_begun: ClassVar[threading.Event] = threading.Event()

    def render(self, changes: Changes) -> dict[str, Any]:
        self._count()
        return Ids.render(self, changes)

    def render_progress(self, job_id: uuid.UUID) -> dict[str, Any] | None:
        self._count()
        return WatchedIds.render_progress(self, job_id)

    def _count(self) -> None:
        self.renders.append(self.owner_id)
        if gate := self.held.get(self.owner_id):
            self.has_begun.set()
            assert gate.wait(WAIT_SECONDS)


class Page(LiveConsumer):
    recheck_seconds = 3600.0
    shows: type[LivePage] = Ids

    def page_of(self, owner_id: int) -> LivePage:
        return self.shows(owner_id)


class RestlessPage(Page):
    recheck_seconds = 0.2


class LivelyPage(Page):
    heartbeat_seconds = 0.2


class SmallPage(Page):
    shows = FewIds


class WatchingPage(Page):
    shows = WatchedIds


class MovingPage(Page):
    shows = MovingIds


class HeldPage(Page):
    shows = HeldIds


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


async def begin(socket: WebsocketCommunicator, after: int = 0) -> dict[str, Any]:
    await socket.send_json_to({"after": after})
    return await next_message(socket)


async def next_message(socket: WebsocketCommunicator) -> dict[str, Any]:
    answer: dict[str, Any] = await socket.receive_json_from(timeout=WAIT_SECONDS)
    return answer


async def submitted(user: User) -> Job:
    return await sync_to_async(make_job)(user)


async def progressed(user: User, job: Job) -> None:
    await sync_to_async(publisher.progressed)(owner_id=user.pk, job_id=job.pk)
