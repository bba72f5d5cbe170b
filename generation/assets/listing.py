"""Reading an owner's assets: keyset pages of the Library and the trash, one asset by its id."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from operator import attrgetter

from generation.assets.filters import AssetFilter
from generation.core.keyset import cursor_of, older_than
from generation.models import Asset
from generation.models.asset import AssetQuerySet

EVERYTHING = AssetFilter()


@dataclass(frozen=True, slots=True)
class Page:
    """Assets newest first; `next_cursor` is empty on the last page."""

    assets: list[Asset]
    next_cursor: str


def library(*, owner_id: int, only: AssetFilter = EVERYTHING, cursor: str = "", limit: int = 60) -> Page:
    """A page of saved assets by the moment they were saved, images and videos in one order.

    Raises:
        BadCursor: `cursor` is not one of ours.
    """
    saved = Asset.objects.of(owner_id).in_library()
    return _page(only.apply(saved), "saved_at", cursor, limit)


def trash(*, owner_id: int, cursor: str = "", limit: int = 60) -> Page:
    """A page of trashed assets by the moment they were discarded. Raises BadCursor."""
    return _page(Asset.objects.of(owner_id).in_trash(), "trashed_at", cursor, limit)


def find_asset(*, owner_id: int, asset_id: uuid.UUID, media: str = "") -> Asset | None:
    """The owner's asset (of this medium, where one is named) with its job and project, or None."""
    found = Asset.objects.of(owner_id).select_related("job", "project").filter(pk=asset_id)
    return (found.filter(media=media) if media else found).first()


def _page(source: AssetQuerySet[Asset], by: str, cursor: str, limit: int) -> Page:
    found = list(older_than(source, by, cursor)[: limit + 1])
    page = found[:limit]
    key = attrgetter(by, "id")
    return Page(page, cursor_of(*key(page[-1])) if len(found) > limit else "")
