"""The owner's change counter: each changed row takes the next number (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from generation.changes import library_hours
from generation.changes.library_totals import NOTHING, LibraryTotals
from generation.models import OwnerCounter

COUNT_UP = """
    UPDATE generation_ownercounter
    SET revision = revision + %s, library_images = library_images + %s,
        library_videos = library_videos + %s, library_bytes = library_bytes + %s,
        stored_bytes = stored_bytes + %s
    WHERE owner_id = %s
    RETURNING revision
"""


def take(*, owner_id: int, count: int, library: LibraryTotals = NOTHING) -> Iterator[int]:
    """Take the owner's next `count` revisions. Locks the counter's row until the transaction ends.

    `library` is the change of the Library totals, and of the hours they are from.
    """
    last = _count_up(owner_id, count, library)
    if last is None:
        OwnerCounter.objects.bulk_create([OwnerCounter(pk=owner_id)], ignore_conflicts=True)
        last = _count_up(owner_id, count, library)
    assert last is not None
    library_hours.add(owner_id, library.hours)
    return iter(range(last - count + 1, last + 1))


def _count_up(owner_id: int, count: int, library: LibraryTotals) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(COUNT_UP, [count, *library.sums.values(), owner_id])
        counted = cursor.fetchone()
    return counted[0] if counted else None


def queue_paused_at(owner_id: int) -> datetime | None:
    """Since when the owner's queue is paused; certain only in a transaction that has locked the counter."""
    paused = OwnerCounter.objects.filter(pk=owner_id).values_list("queue_paused_at", flat=True)
    return next(iter(paused), None)


def hold(*, owner_id: int) -> None:
    """Lock the owner's counter until the transaction ends, so that no other transaction adds work."""
    OwnerCounter.objects.select_for_update().get(pk=owner_id)
