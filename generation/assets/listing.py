"""Reading an owner's assets: keyset pages of the Library and the trash, one asset by its id."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from django.db.models import QuerySet

from generation.core.keyset import cursor_of, older_than
from generation.models import Asset, Image, Video

MODELS: dict[str, type[Asset]] = {"image": Image, "video": Video}


@dataclass(frozen=True, slots=True)
class Page:
    """Assets newest first; `next_cursor` is empty on the last page."""

    assets: list[Asset]
    next_cursor: str


def library(
    *,
    owner_id: int,
    media: str = "",
    project_id: uuid.UUID | None = None,
    q: str = "",
    cursor: str = "",
    limit: int = 60,
) -> Page:
    """A page of saved assets by the moment they were saved, images and videos in one order.

    Raises:
        BadCursor: `cursor` is not one of ours.
    """

    def narrow(assets: QuerySet[Asset]) -> QuerySet[Asset]:
        if "\0" in q:
            return assets.none()  # PostgreSQL takes no NUL, and no prompt has one
        if project_id:
            assets = assets.filter(project_id=project_id)
        return assets.filter(prompt__icontains=q) if q else assets

    models = [MODELS[media]] if media else list(MODELS.values())
    sources = [narrow(model.objects.of(owner_id).in_library()) for model in models]
    return _page(sources, "saved_at", cursor, limit)


def trash(*, owner_id: int, cursor: str = "", limit: int = 60) -> Page:
    """A page of trashed assets by the moment they were discarded. Raises BadCursor."""
    sources = [model.objects.of(owner_id).in_trash() for model in MODELS.values()]
    return _page(sources, "trashed_at", cursor, limit)


def find_asset(*, owner_id: int, media: str, asset_id: uuid.UUID) -> Asset | None:
    """The owner's asset with its job and project, or None."""
    model = MODELS.get(media)
    if model is None:
        return None
    return model.objects.of(owner_id).select_related("job", "project").filter(pk=asset_id).first()


def _page(sources: Sequence[QuerySet[Asset]], by: str, cursor: str, limit: int) -> Page:
    """The same keyset query on each table, merged: at most `limit` + 1 rows are read from either."""
    key = attrgetter(by, "id")
    found = [list(older_than(source, by, cursor)[: limit + 1]) for source in sources]
    merged = list(heapq.merge(*found, key=key, reverse=True))
    page = merged[:limit]
    return Page(page, cursor_of(*key(page[-1])) if len(merged) > limit else "")
