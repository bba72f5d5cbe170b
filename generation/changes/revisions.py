"""The owner's change counter: each changed row takes the next number (design 6)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from django.db import connection
from django.db.models import F

from generation.core import prepared
from generation.core.prepared import Given, Statement
from generation.models import OwnerCounter


def take(*, owner_id: int, count: int) -> Iterator[int]:
    """The owner's next `count` revisions. Holds the counter's row until the transaction ends."""
    last = _count_up(owner_id, count)
    if last is None:
        OwnerCounter.objects.bulk_create([OwnerCounter(pk=owner_id)], ignore_conflicts=True)
        last = _count_up(owner_id, count)
    assert last is not None
    return iter(range(last - count + 1, last + 1))


def _count_up(owner_id: int, count: int) -> int | None:
    for counter in prepared.rows(OwnerCounter, _counting(connection.vendor), owner_id=owner_id, count=count):
        return counter.revision
    return None


@lru_cache
def _counting(vendor: str) -> Statement:
    owner = prepared.given(OwnerCounter, "owner_id")["owner_id"]
    count = Given("count", OwnerCounter._meta.get_field("revision"))
    return prepared.update(OwnerCounter.objects.filter(pk=owner), revision=F("revision") + count)


def hold(*, owner_id: int) -> None:
    """Lock the owner's counter until the transaction ends, so that what it counts cannot grow meanwhile."""
    OwnerCounter.objects.select_for_update().get(pk=owner_id)
