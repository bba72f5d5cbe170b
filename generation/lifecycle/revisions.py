"""The owner's change counter: each changed row takes the next number (design 6)."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F

from generation.models import OwnerCounter


def take(*, owner_id: int, count: int) -> Iterator[int]:
    """The owner's next `count` revisions. Holds the counter's row until the transaction ends."""
    mine = OwnerCounter.objects.filter(pk=owner_id)
    if not mine.update(revision=F("revision") + count):
        OwnerCounter.objects.bulk_create([OwnerCounter(pk=owner_id)], ignore_conflicts=True)
        mine.update(revision=F("revision") + count)
    last = mine.values_list("revision", flat=True).get()
    return iter(range(last - count + 1, last + 1))


def hold(*, owner_id: int) -> None:
    """Lock the owner's counter until the transaction ends, so that what it counts cannot grow meanwhile."""
    OwnerCounter.objects.select_for_update().get(pk=owner_id)
