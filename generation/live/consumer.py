"""The socket behind the pages: on a hint, on connecting and every 25 s it sends what the browser lacks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user

from generation.changes import feed, publisher
from generation.changes.feed import Changes

log = structlog.get_logger("ourvidz.live")
SIGNED_OUT = 4401
Message = dict[str, Any]


class SignedOut(Exception):
    """The session that opened the socket has ended."""


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One page of one signed-in owner.

    The browser's first message is `{"after": revision, "user": id}`: what the page was made from and for
    whom. It then gets `changes` with everything newer, rendered by the page's own partials, and between them
    `progress`: a job that moved on without a new revision, rendered likewise. `reload` says that its
    revision is from another database. The socket is closed when its session has ended.
    """

    page_size: ClassVar[int] = 200
    recheck_seconds: ClassVar[float] = 25.0

    rechecks: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # however it ended: a handler that raised is not followed by disconnect()
            if self.rechecks:
                self.rechecks.cancel()
                await self._with_layer(self.channel_layer.group_discard)

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(code=SIGNED_OUT)
            return
        self.owner_id: int = user.pk
        self.revision: int | None = None
        self.catching_up = asyncio.Lock()
        self.rechecks = asyncio.create_task(self._recheck())
        await self._with_layer(self.channel_layer.group_add)
        await self.accept()

    async def _with_layer(self, act: Callable[[str, str], Awaitable[None]]) -> None:
        """Join or leave the owner's group; a channel layer that is away only makes the page slower."""
        try:
            async with asyncio.timeout(publisher.DEADLINE_SECONDS):
                await act(publisher.group_of(self.owner_id), self.channel_name)
        except Exception as error:  # noqa: BLE001 - whatever the layer's client raises
            log.warning("hints.away", error=type(error).__name__)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Only text means anything."""
        if text_data:
            await super().receive(text_data=text_data, **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        after = content.get("after") if isinstance(content, dict) else None
        if isinstance(content, dict) and content.get("user") not in (None, str(self.owner_id)):
            await self.close(code=SIGNED_OUT)  # a page of somebody who was signed in here before
            return
        if isinstance(after, int) and after >= 0:
            self.revision = after
            await self.catch_up(greet=True)
        elif isinstance(content, dict) and content.get("type") == "ping":
            await self.send_json({"type": "pong"})

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """What is not JSON counts as an empty message."""
        try:
            return await super().decode_json(text_data)
        except (ValueError, RecursionError):
            return None

    async def owner_changed(self, message: Message) -> None:
        """A hint; its revision may be one that was sent already."""
        if self.revision is not None and message["revision"] > self.revision:
            await self.catch_up()

    async def owner_progress(self, message: Message) -> None:
        """A hint; the rows say how far the job is."""
        if self.revision is None:
            return
        try:
            news = await self._moved_on(message["job"])
        except SignedOut:
            await self.close(code=SIGNED_OUT)
            return
        if news is not None:
            await self.send_json({"type": "progress", **news})

    async def catch_up(self, *, greet: bool = False) -> None:
        """Send all that is newer than the browser's revision; `greet` answers even when nothing is."""
        async with self.catching_up:
            more = True
            while more:
                try:
                    changes, rendered = await self._newer()
                except feed.StaleCursor:
                    await self.send_json({"type": "reload"})
                    return
                except SignedOut:
                    await self.close(code=SIGNED_OUT)
                    return
                if greet or changes.revision != self.revision:
                    await self.send_json({"type": "changes", "revision": changes.revision, **rendered})
                self.revision, more, greet = changes.revision, changes.more, False

    @database_sync_to_async
    def _newer(self) -> tuple[Changes, Message]:
        if not self._is_signed_in():
            raise SignedOut
        assert self.revision is not None
        changes = feed.changes(owner_id=self.owner_id, after=self.revision, limit=self.page_size)
        return changes, self.render(changes)

    @database_sync_to_async
    def _moved_on(self, job_id: str) -> Message | None:
        if not self._is_signed_in():
            raise SignedOut
        return self.render_progress(uuid.UUID(job_id))

    def _is_signed_in(self) -> bool:
        """Whether the session is still there and still this owner's, by the database."""
        opened = self.scope.get("session")
        if opened is None:  # no session middleware in front
            return True
        session = import_module(settings.SESSION_ENGINE).SessionStore(opened.session_key)
        user: Any = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type] # all that it reads
        return bool(user.is_authenticated and user.pk == self.owner_id)

    async def _recheck(self) -> None:
        """Hints may be lost: look again from time to time, and join again in case the layer was away."""
        while True:
            await asyncio.sleep(self.recheck_seconds)
            try:
                await self._with_layer(self.channel_layer.group_add)
                if self.revision is not None:
                    await self.catch_up()
            except Exception as error:  # noqa: BLE001 - the database may be away; the next time it is back
                log.warning("recheck.failed", error=type(error).__name__)

    def render(self, changes: Changes) -> Message:
        """What the page needs of `changes`, as JSON with HTML; runs in a thread with the database."""
        raise NotImplementedError

    def render_progress(self, job_id: uuid.UUID) -> Message | None:
        """As `render`, for a job that moved on without a revision; None where the page does not show it."""
        return None
