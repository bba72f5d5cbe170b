"""Primary keys: UUIDv7, so that ids sort by the time they were made."""

from __future__ import annotations

import uuid

from uuid_utils.compat import uuid7

LAST_ID = uuid.UUID(int=2**128 - 1)  # above every other


def new_id() -> uuid.UUID:
    """A fresh UUIDv7, monotonic within this process."""
    return uuid7()
