"""Collections and tags follow their assets: their counts are of what is in the Library."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from generation.models import Asset, Collection, CollectionItem, Tag, TagItem

ITEMS: tuple[Any, ...] = (CollectionItem, TagItem)
GROUPINGS: tuple[Any, ...] = (Collection, Tag)


def follow_trash(assets: Sequence[Asset]) -> None:
    """Hide or show the items of these locked assets, whose `trashed_at` was written.

    The owner's counter must be locked: it orders the locks of collections and tags.
    """
    shown = [asset.pk for asset in assets if asset.trashed_at is None]
    hidden = [asset.pk for asset in assets if asset.trashed_at is not None]
    for model in ITEMS:
        _show(model, shown, shown=True)
        _show(model, hidden, shown=False)


def _show(model: Any, asset_ids: Iterable[uuid.UUID], *, shown: bool) -> None:
    items = model.objects.filter(asset_id__in=list(asset_ids), shown=not shown)
    counts = list(items.order_by("group").values_list("group").annotate(number=Count("pk")))
    if counts:
        items.update(shown=shown)
        for group_id, number in counts:
            count(model, group_id, number if shown else -number)


def count(model: Any, group_id: uuid.UUID, change: int) -> None:
    """Add to the number of shown items of a collection or tag."""
    group = model._meta.get_field("group").related_model
    group.objects.filter(pk=group_id).update(count=F("count") + change)


def with_wrong_count(grouping: Any) -> QuerySet[Any]:
    """Collections (or tags) whose count differs from that of the rows."""
    rows: QuerySet[Any] = grouping.objects.exclude(count=_counted(grouping))
    return rows


def recount(grouping: Any, group_id: uuid.UUID) -> None:
    grouping.objects.filter(pk=group_id).update(count=_counted(grouping))


def _counted(grouping: Any) -> Coalesce:
    items = grouping._meta.get_field("items").related_model.objects
    mine = items.filter(group=OuterRef("pk"), shown=True).order_by().values("group")
    return Coalesce(Subquery(mine.annotate(number=Count("pk")).values("number")), 0)
