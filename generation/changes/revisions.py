"""The owner's change counter: each changed row takes the next number (design 6)."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from generation.models import OwnerCounter

COUNT_UP = """
    UPDATE generation_ownercounter SET revision = revision + %s WHERE owner_id = %s RETURNING revision
"""


def take(*, owner_id: int, count: int) -> Iterator[int]:
    """The owner's next `count` revisions. Holds the counter's row until the transaction ends."""
    last = _count_up(owner_id, count)
    if last is None:
        OwnerCounter.objects.bulk_create([OwnerCounter(pk=owner_id)], ignore_conflicts=True)
        last = _count_up(owner_id, count)
    assert last is not None
    return iter(range(last - count + 1, last + 1))


def _count_up(owner_id: int, count: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(COUNT_UP, [count, owner_id])
        counted = cursor.fetchone()
    return counted[0] if counted else None


def hold(*, owner_id: int) -> None:
    """Lock the owner's counter until the transaction ends, so that what it counts cannot grow meanwhile."""
    OwnerCounter.objects.select_for_update().get(pk=owner_id)
