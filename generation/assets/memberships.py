"""Putting assets into collections and under tags, and taking them out again."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import CharField, Count, QuerySet, Value

from generation.assets.actions import check_count
from generation.assets.groupings import COLLECTIONS, TAGS, Kind, find
from generation.changes import memberships, writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import DomainError
from generation.models import Asset


class TooManyGroupings(DomainError):
    """An asset is in as many collections, or has as many tags, as is allowed."""

    code = "too_many_groupings"

    def __init__(self, kind: Kind) -> None:
        held = "is in" if kind is COLLECTIONS else "has"
        super().__init__(f"One of these {held} {kind.most_of_asset} {kind.plural}, and that is the most.")


@transaction.atomic
def add(
    kind: Kind,
    *,
    owner_id: int,
    actor: Actor,
    group_id: uuid.UUID,
    assets: Sequence[uuid.UUID],
    skip_full: bool = False,
) -> list[uuid.UUID]:
    """Put saved assets in; the ids of those that were not in it. `remove` undoes it exactly.

    Every change of an asset's collections locks the asset first, and then the owner's counter.

    Raises:
        NotFound, TooMany, TooManyGroupings: unless `skip_full`, which leaves such assets out.
    """
    check_count(assets)
    group = find(kind, owner_id=owner_id, group_id=group_id)
    mine = _locked(owner_id, assets)
    there = _in_it(kind, group_id, mine)
    full = _full(kind, mine)
    fresh = [asset for asset in mine if asset.pk not in there and asset.pk not in full]
    if not skip_full and full - there:
        raise TooManyGroupings(kind)
    if not fresh:
        return []
    writes.write_each(owner_id, fresh)
    items = [
        kind.items(group=group, asset=asset, saved_at=asset.saved_at, shown=asset.trashed_at is None)
        for asset in fresh
    ]
    kind.items.objects.bulk_create(items)
    memberships.count(kind.items, group_id, sum(item.shown for item in items))
    audit_log.after_commit(f"{kind.name}.added", actor=actor, group=str(group_id), assets=len(fresh))
    return [asset.pk for asset in fresh]


@transaction.atomic
def remove(
    kind: Kind, *, owner_id: int, actor: Actor, group_id: uuid.UUID, assets: Sequence[uuid.UUID]
) -> list[uuid.UUID]:
    """Take assets out; the ids of those that were in it. `add` undoes it. Raises NotFound, TooMany."""
    check_count(assets)
    find(kind, owner_id=owner_id, group_id=group_id)
    mine = _locked(owner_id, assets)
    there = _in_it(kind, group_id, mine)
    gone = [asset for asset in mine if asset.pk in there]
    if not gone:
        return []
    writes.write_each(owner_id, gone)
    kind.items.objects.filter(group_id=group_id, asset_id__in=there).delete()
    memberships.count(kind.items, group_id, -sum(asset.trashed_at is None for asset in gone))
    audit_log.after_commit(f"{kind.name}.removed", actor=actor, group=str(group_id), assets=len(gone))
    return [asset.pk for asset in gone]


def groups_of(kind: Kind, asset: Asset) -> list[object]:
    """The asset's collections (or tags) by name."""
    mine = kind.model.objects.filter(items__asset=asset, deleted_at=None)
    return list(mine.order_by("folded_name", "id"))


def tags_and_collections(asset: Asset) -> dict[str, list[object]]:
    """For the page of an asset."""
    return {"tags": groups_of(TAGS, asset), "collections": groups_of(COLLECTIONS, asset)}


@dataclass(slots=True)
class Names:
    """An asset's tags and collections by name, each as (id, name)."""

    tags: list[tuple[uuid.UUID, str]] = field(default_factory=list)
    collections: list[tuple[uuid.UUID, str]] = field(default_factory=list)


def names_of(asset_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Names]:
    """The tags and collections of each of these assets that has some, in one query."""
    ids, found = list(asset_ids), defaultdict[uuid.UUID, Names](Names)
    tags, collections = _named(TAGS, ids), _named(COLLECTIONS, ids)
    for _, group_id, asset_id, name, plural in sorted(tags.union(collections, all=True)):
        getattr(found[asset_id], plural).append((group_id, name))
    return dict(found)


def _named(kind: Kind, asset_ids: Sequence[uuid.UUID]) -> QuerySet[Any, Any]:
    items = kind.items.objects.filter(asset_id__in=asset_ids, group__deleted_at=None).order_by()
    named: QuerySet[Any, Any] = items.annotate(plural=Value(kind.plural, CharField())).values_list(
        "group__folded_name", "group_id", "asset_id", "group__name", "plural"
    )
    return named


def _locked(owner_id: int, ids: Sequence[uuid.UUID]) -> list[Asset]:
    saved = Asset.objects.of(owner_id).filter(pk__in=ids, saved_at__isnull=False)
    return list(saved.defer("search_text").select_for_update().order_by("id"))


def _in_it(kind: Kind, group_id: uuid.UUID, assets: Iterable[Asset]) -> set[uuid.UUID]:
    ids = [asset.pk for asset in assets]
    return set(
        kind.items.objects.filter(group_id=group_id, asset_id__in=ids).values_list("asset_id", flat=True)
    )


def _full(kind: Kind, assets: Iterable[Asset]) -> set[uuid.UUID]:
    items = kind.items.objects.filter(asset_id__in=[asset.pk for asset in assets], group__deleted_at=None)
    counted = items.order_by().values("asset_id").annotate(number=Count("pk"))
    return set(counted.filter(number__gte=kind.most_of_asset).values_list("asset_id", flat=True))
