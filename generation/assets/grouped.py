"""Listings of a collection or a tag."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import F, FilteredRelation, Q

from generation.models import TagItem
from generation.models.asset import A, AssetQuerySet


def in_groups(
    assets: AssetQuerySet[A], *, collection_id: uuid.UUID | None, tag_id: uuid.UUID | None
) -> AssetQuerySet[A]:
    """Those in the collection and under the tag that are named, with `placed_at`, `placed_id` to order by.

    They equal `saved_at` and `id`, but are read from the items: their index has a page of a collection in
    order, of which the assets are looked up one by one, however many the collection and the Library hold.
    """
    if collection_id:
        assets = _placed(assets, "collection_items", collection_id)
        return assets.filter(_tagged(tag_id)) if tag_id else assets
    return _placed(assets, "tag_items", tag_id) if tag_id else assets


def _placed(assets: AssetQuerySet[A], items: str, group_id: uuid.UUID) -> AssetQuerySet[A]:
    item = FilteredRelation(items, condition=Q(**{f"{items}__group_id": group_id}))
    # By annotations, so that what is asked of it later does not join the items again.
    placed: Any = assets.alias(item=item).filter(item__shown=True)
    found: AssetQuerySet[A] = placed.annotate(placed_at=F("item__saved_at"), placed_id=F("item__asset_id"))
    return found


def _tagged(tag_id: uuid.UUID) -> Q:
    return Q(pk__in=TagItem.objects.filter(group_id=tag_id, shown=True).values("asset_id"))
