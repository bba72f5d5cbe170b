"""What a socket keeps up to date: a page of one owner, and the messages that bring it there."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from generation.changes import feed
from generation.changes.feed import Changes

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    """A `changes` message as JSON. The page stands at `revision` after it; `more` says that newer waits."""

    revision: int
    more: bool
    text: str


@dataclass(frozen=True, slots=True)
class LivePage:
    """One kind of page with its owner and all that decides what it shows.

    Sockets whose pages are equal get the same messages, rendered once. So a subclass is frozen, its fields
    can be hashed, and what it renders depends on them and the rows alone: not on the reader.
    """

    page_size: ClassVar[int] = 200

    owner_id: int

    def render(self, changes: Changes) -> Message:
        """What the page needs of `changes`, as JSON with HTML; runs in a thread with the database."""
        raise NotImplementedError

    def render_progress(self, job_id: uuid.UUID) -> Message | None:
        """As `render`, for a job that moved on without a revision; None where the page does not show it."""
        return None

    def update(self, after: int) -> Update:
        """The next message for a browser that stands at revision `after`. Raises StaleCursor."""
        changes = feed.changes(owner_id=self.owner_id, after=after, limit=self.page_size)
        message = {"type": "changes", "revision": changes.revision, **self.render(changes)}
        return Update(changes.revision, changes.more, json.dumps(message))

    def progress(self, job_id: uuid.UUID) -> str:
        """A `progress` message as JSON; empty where the page does not show the job."""
        message = self.render_progress(job_id)
        return "" if message is None else json.dumps({"type": "progress", **message})
