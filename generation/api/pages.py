"""Pages bounded in bytes: one stops rather than grow over PAGE_BYTES, and the next goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.conf import settings
from rest_framework.renderers import JSONRenderer

from generation.api.requests import PAGE
from generation.api.responses import JobSummary, TombstoneResponse, asset_response
from generation.changes.feed import Changes
from generation.models import Asset, Job

# Read before it is known how large they are: a job may have 300 KB.
FIRST_ROWS = PAGE
_tombstone, _job_summary = TombstoneResponse(), JobSummary()


@dataclass(frozen=True, slots=True)
class Item:
    """A row as it is answered, and the cursor of what follows it."""

    data: dict[str, Any]
    cursor: str


class _Budget:
    def __init__(self) -> None:
        self.left = settings.PAGE_BYTES

    def fits(self, data: object) -> bool:
        self.left -= len(JSONRenderer().render(data)) + 1
        return self.left >= 0


def bounded_page(
    read: Callable[[str, int], tuple[Iterable[Item], str]], *, cursor: str, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """Rows after `cursor`, at least one if there are any, and the cursor of the next page, empty at the end.

    `read` is given a cursor and a limit, and answers with so many items and the next cursor.
    """
    budget, found = _Budget(), list[dict[str, Any]]()
    wanted = min(limit, FIRST_ROWS)
    while True:
        items, following = read(cursor, wanted)
        for item in items:
            if not budget.fits(item.data) and found:
                return found, cursor
            found.append(item.data)
            cursor = item.cursor
        if not following or len(found) >= limit:
            return found, following
        each = (settings.PAGE_BYTES - budget.left) // len(found)
        wanted = max(1, min(limit - len(found), budget.left // each))


def bounded_changes(changes: Changes) -> dict[str, Any]:
    """The response to `changes`, whose reader is at `revision` afterwards."""
    lists: dict[str, list[Any]] = {"jobs": [], "images": [], "videos": [], "purged": []}
    budget, revision = _Budget(), 0
    rows: list[Any] = [*changes.jobs, *changes.assets, *changes.purged]
    for row in sorted(rows, key=attrgetter("revision")):
        kind, data = _change(row)
        if not budget.fits(data) and revision:
            return {"revision": revision, "epoch": changes.epoch, "more": True, **lists}
        lists[kind].append(data)
        revision = row.revision
    return {"revision": changes.revision, "epoch": changes.epoch, "more": changes.more, **lists}


def _change(row: Any) -> tuple[str, dict[str, Any]]:
    match row:
        case Job():
            return "jobs", _job_summary.to_representation(row)
        case Asset():
            return f"{row.media}s", asset_response(row)
    return "purged", _tombstone.to_representation(row)
