"""Live pages: what a socket keeps up to date, and the messages that update it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from generation.changes import feed
from generation.changes.feed import Changes

Message = dict[str, Any]
# Of one message, about: fifty finished jobs would be a megabyte, kept for each browser that reads slowly.
PAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Update:
    """A `changes` message as JSON. It brings the page to `revision`; `more` if there are newer changes.

    `moves` if the page shows something that changes by itself: see `LivePage.render_moving`.
    """

    revision: int
    more: bool
    text: str
    moves: bool = False


@dataclass(frozen=True, slots=True)
class LivePage:
    """One kind of page with its owner and everything that determines its content.

    Sockets with equal pages get the same messages, rendered once. So a subclass is frozen, its fields are
    hashable, and its content depends on them and the rows alone, not on the reader.
    """

    page_size: ClassVar[int] = 50  # rows of one message at most
    moving_seconds: ClassVar[float] = 10.0  # how often what moves is sent

    owner_id: int

    def render(self, changes: Changes) -> Message:
        """The page's part of `changes`, as JSON with HTML; called in a thread with database access.

        With a true `moves` in it, `render_moving` is sent from time to time.
        """
        raise NotImplementedError

    def render_moving(self) -> Message | None:
        """As `render`, for what changes by itself, such as places in the queue; None if there is nothing."""
        return None

    def render_progress(self, job_id: uuid.UUID) -> Message | None:
        """As `render`, for a job's progress without a revision; None if the page does not show the job."""
        return None

    def update(self, after: int) -> Update:
        """The next message for a browser at revision `after`. Raises StaleCursor."""
        rows = self.page_size
        while True:
            changes = feed.changes(owner_id=self.owner_id, after=after, limit=rows)
            message = {"type": "changes", "revision": changes.revision, **self.render(changes)}
            if changes.epoch:
                message["epoch"] = changes.epoch
            text = json.dumps(message)
            if len(text) <= PAGE_BYTES or rows == 1:
                return Update(changes.revision, changes.more, text, moves=bool(message.get("moves")))
            rows = max(1, min(rows, changes.rows) // 2)

    def moving(self) -> str:
        """A `progress` message with what changes by itself; empty if there is nothing."""
        message = self.render_moving()
        return "" if message is None else json.dumps({"type": "progress", **message})

    def progress(self, job_id: uuid.UUID) -> str:
        """A `progress` message as JSON; empty if the page does not show the job."""
        message = self.render_progress(job_id)
        return "" if message is None else json.dumps({"type": "progress", **message})
