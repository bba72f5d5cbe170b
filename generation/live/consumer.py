"""The pages' WebSocket consumer: sends newer changes on a hint, on connecting and every 25 s."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import structlog
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import SuspiciousOperation

from generation.changes import feed, publisher
from generation.live.open_sockets import open_sockets
from generation.live.pages import LivePage, Message
from generation.live.renders import renders
from generation.live.sessions import is_signed_in

log = structlog.get_logger("ourvidz.live")
SIGNED_OUT = 4401
FAILED = 4500  # the browser connects again, later and later


class SignedOut(Exception):
    """The session that opened the socket has ended."""


@dataclass(slots=True)
class PendingUpdates:
    """What a socket must handle next; hints that arrive meanwhile are merged here."""

    greet: bool = False
    recheck: bool = False
    moving: bool = False
    revision: int = 0  # the highest that was hinted
    progress: dict[str, str] = field(default_factory=dict)  # by job id, the newest hint

    def __bool__(self) -> bool:
        return bool(self.has_requests or self.recheck or self.moving)

    @property
    def has_requests(self) -> bool:
        """Whether the browser or a hint asks for it, as opposed to what is done periodically."""
        return bool(self.greet or self.revision or self.progress)


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One open page of one signed-in owner.

    The browser's first message is `{"after": revision, "user": id}`: the page's revision and its user. The
    browser then gets `changes` with everything newer, rendered by the page's own partials, and between them
    `progress`: what changed without a revision, a job's progress or places in the queue, rendered likewise.
    `reload` means that its revision is from another database. A `heartbeat` comes every 15 s, whatever else
    does: a browser that hears nothing for longer has lost the line. The socket is closed when its session has
    ended.

    `send` waits while the browser does not read; the hints that come meanwhile are merged.
    """

    recheck_seconds: ClassVar[float] = 25.0
    heartbeat_seconds: ClassVar[float] = 15.0  # static/js/live.js waits for it

    is_open = False
    is_counted = False
    session_key: str | None = None  # None without session middleware in front
    periodic: tuple[asyncio.Task[None], ...] = ()
    work: asyncio.Task[None] | None = None

    def page_of(self, owner_id: int) -> LivePage:
        """The page of this socket, by its path and query."""
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # however it ended: a handler that raised is not followed by disconnect()
            if self.is_counted:
                open_sockets.release(self.page.owner_id)
            if self.periodic:
                self._stop()
                await self._with_layer(self.channel_layer.group_discard)

    async def dispatch(self, message: Message) -> None:
        """As Channels', but without its trip to a thread for each message: no connection is held here."""
        if handler := getattr(self, get_handler_name(message), None):
            await handler(message)

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(code=SIGNED_OUT)
            return
        try:
            self.page = self.page_of(user.pk)
        except SuspiciousOperation:  # a query with more fields than Django reads
            await self.close()
            return
        if refusal := open_sockets.admit(user.pk):
            log.warning("socket.refused", user=user.pk, code=refusal)
            await self.accept()
            await self.close(code=refusal)
            return
        self.is_counted = True
        if session := self.scope.get("session"):
            self.session_key = session.session_key
        self.revision: int | None = None
        self.pending = PendingUpdates()
        self.is_moving, self.moved = False, ""
        self.session_unchecked = True  # the session may have ended before this socket could be told
        self.is_open = True
        loops = (self._recheck(), self._heartbeat(), self._follow())
        self.periodic = tuple(asyncio.create_task(loop) for loop in loops)
        await self._with_layer(self.channel_layer.group_add)
        await self.accept()

    async def _with_layer(self, act: Callable[[str, str], Awaitable[None]]) -> None:
        """Join or leave the owner's group; a channel layer that is away only makes the page slower."""
        try:
            async with asyncio.timeout(publisher.DEADLINE_SECONDS):
                await act(publisher.owner_group(self.page.owner_id), self.channel_name)
        except Exception as error:  # noqa: BLE001 - whatever the layer's client raises
            log.warning("hints.away", error=type(error).__name__)

    # Messages from the browser

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Binary messages are ignored, and what comes before the end of a refused socket."""
        if text_data and self.is_open:
            await super().receive(text_data=text_data, **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        after = content.get("after") if isinstance(content, dict) else None
        if isinstance(content, dict) and content.get("user") not in (None, str(self.page.owner_id)):
            await self._end(SIGNED_OUT)  # a page of somebody who was signed in here before
            return
        if isinstance(after, int) and after >= 0:
            self.revision = after
            self.pending.greet = True
            self._schedule()
        elif isinstance(content, dict) and content.get("type") == "ping":
            await self.send_json({"type": "pong"})

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """What is not JSON counts as an empty message."""
        try:
            return await super().decode_json(text_data)
        except (ValueError, RecursionError):
            return None

    # Messages from the channel layer

    async def owner_changed(self, message: Message) -> None:
        """A hint; its revision may have been sent already."""
        if self.revision is not None and message["revision"] > self.revision:
            self.pending.revision = max(self.pending.revision, message["revision"])
            self._schedule()

    async def owner_progress(self, message: Message) -> None:
        """A hint; the progress is in the rows. One without an id is from a server of an older version."""
        if self.revision is not None:
            self.pending.progress[message["job"]] = message.get("hint") or uuid.uuid4().hex
            self._schedule()

    async def session_ended(self, message: Message) -> None:
        if self.session_key and message["session"] == publisher.session_digest(self.session_key):
            await self._end(SIGNED_OUT)

    async def account_changed(self, message: Message) -> None:
        """A hint; the database knows whether the session is still valid."""
        self._request_session_check()

    async def _recheck(self) -> None:
        """Recheck periodically, as hints may be lost, and rejoin the group in case the layer was away."""
        while True:
            await asyncio.sleep(self.recheck_seconds)
            await self._with_layer(self.channel_layer.group_add)
            self._request_session_check()

    async def _heartbeat(self) -> None:
        """Tell the browser that the line is alive; the socket's own pings are hidden from its script."""
        while True:
            await asyncio.sleep(self.heartbeat_seconds)
            await self.send_json({"type": "heartbeat"})

    async def _follow(self) -> None:
        """Send what moves by itself again and again, as long as the page shows something of it."""
        while True:
            await asyncio.sleep(self.page.moving_seconds)
            if self.is_moving:
                self.pending.moving = True
                self._schedule()

    def _request_session_check(self) -> None:
        self.session_unchecked = self.pending.recheck = True
        self._schedule()

    # Messages to the browser

    def _schedule(self) -> None:
        """Start processing, unless it runs already: then it will see the new entries too."""
        if self.is_open and (self.work is None or self.work.done()):
            self.work = asyncio.create_task(self._process_pending())

    async def _process_pending(self) -> None:
        try:
            while self.pending:
                pending, self.pending = self.pending, PendingUpdates()
                await self._process(pending)
        except SignedOut:
            await self._end(SIGNED_OUT)
        except Exception as error:  # noqa: BLE001 - the database may be away; the next time it is back
            log.warning("push.failed", error=type(error).__name__)
            if pending.has_requests or self.pending.has_requests:
                await self._end(FAILED)

    async def _process(self, pending: PendingUpdates) -> None:
        await self._check_session()
        is_looking = pending.greet or pending.recheck
        if self.revision is not None and (is_looking or pending.revision > self.revision):
            try:
                await self._catch_up(greet=pending.greet, hinted=None if is_looking else pending.revision)
            except feed.StaleCursor:
                await self.send_json({"type": "reload"})
        if pending.moving:
            await self._send_moving()
        for job_id, hint in pending.progress.items():
            text = await renders().progress(self.page, job_id=uuid.UUID(job_id), hint=hint)
            if text:
                await self._check_session()
                await self.send(text_data=text)

    async def _catch_up(self, *, greet: bool, hinted: int | None) -> None:
        """Send everything newer than the browser's revision; `greet` answers even if there is nothing."""
        while (after := self.revision) is not None:
            update = await renders().changes_after(self.page, after=after, hinted=hinted)
            await self._check_session()  # it may fail: until then the browser stands where it stood
            if self.revision != after:
                return  # the browser has sent another revision, and gets a greeting for it
            self.revision = update.revision
            if greet or update.revision != after:
                self.is_moving, self.moved = update.moves, ""
                await self.send(text_data=update.text)
            greet = False
            is_enough = update.revision == after or update.revision >= (hinted or 0)
            if is_enough and not update.more:
                return

    async def _send_moving(self) -> None:
        text = await renders().moving(self.page)
        if text and text != self.moved:
            await self._check_session()
            self.moved = text
            await self.send(text_data=text)

    async def _check_session(self) -> None:
        """Check the session in the database, if something has happened since the last check."""
        if not self.session_unchecked or self.session_key is None:
            return
        self.session_unchecked = False
        try:
            owner_id = self.page.owner_id
            check = partial(is_signed_in, session_key=self.session_key, owner_id=owner_id)
            is_valid = await renders().in_thread(owner_id, check)
        except Exception:
            self.session_unchecked = True
            raise
        if not is_valid:
            raise SignedOut

    def _stop(self) -> None:
        """Nothing is sent from now on."""
        self.is_open = False
        for task in (*self.periodic, self.work):
            if task and task is not asyncio.current_task():
                task.cancel()

    async def _end(self, code: int) -> None:
        self._stop()
        await self.close(code=code)
