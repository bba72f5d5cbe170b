"""The socket behind the pages: on a hint, on connecting and every 25 s it sends what the browser lacks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from generation import events, feed
from generation.feed import Changes

RECHECK_SECONDS = 25.0
SIGNED_OUT = 4401


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One page of one signed-in owner.

    The browser's first message is `{"after": revision}`. It then gets `changes` with everything newer,
    rendered by the page's own partials, and `progress` hints. `reload` says that its revision is from
    another database.
    """

    page_size: ClassVar[int] = 200

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(code=SIGNED_OUT)
            return
        self.owner_id: int = user.pk
        self.revision: int | None = None
        self.catching_up = asyncio.Lock()
        await self.channel_layer.group_add(events.group_of(self.owner_id), self.channel_name)
        await self.accept()
        self.rechecks = asyncio.create_task(self._recheck())

    async def disconnect(self, code: int) -> None:
        if not hasattr(self, "rechecks"):
            return
        self.rechecks.cancel()
        with contextlib.suppress(OSError):
            await self.channel_layer.group_discard(events.group_of(self.owner_id), self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        after = content.get("after") if isinstance(content, dict) else None
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
        except ValueError:
            return None

    async def owner_changed(self, message: dict[str, Any]) -> None:
        """A hint; its revision may be one that was sent already."""
        if self.revision is not None and message["revision"] > self.revision:
            await self.catch_up()

    async def owner_progress(self, message: dict[str, Any]) -> None:
        if self.revision is not None:
            await self.send_json(message | {"type": "progress"})

    async def catch_up(self, *, greet: bool = False) -> None:
        """Send all that is newer than the browser's revision; `greet` answers even when nothing is."""
        async with self.catching_up:
            more = True
            while more:
                changes, rendered = await self._newer()
                if changes is None:
                    await self.send_json({"type": "reload"})
                    return
                if greet or changes.revision != self.revision:
                    await self.send_json({"type": "changes", "revision": changes.revision, **rendered})
                self.revision, more, greet = changes.revision, changes.more, False

    @database_sync_to_async
    def _newer(self) -> tuple[Changes | None, dict[str, Any]]:
        assert self.revision is not None
        try:
            changes = feed.changes(owner_id=self.owner_id, after=self.revision, limit=self.page_size)
        except feed.StaleCursor:
            return None, {}
        return changes, self.render(changes)

    async def _recheck(self) -> None:
        """Hints may be lost: look again from time to time."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if self.revision is not None:
                await self.catch_up()

    def render(self, changes: Changes) -> dict[str, Any]:
        """What the page needs of `changes`, as JSON with HTML; runs in a thread with the database."""
        raise NotImplementedError
