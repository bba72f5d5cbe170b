"""Reading an owner's assets: keyset pages of the Library and the trash, one asset by its id."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from django.db.models import Q, QuerySet

from generation.assets.filters import AssetFilter
from generation.assets.search import newest
from generation.assets.search.match import Match
from generation.assets.stacks import collapsed
from generation.catalog.job_types import Media
from generation.changes.library_hours import hour_of
from generation.core.keyset import cursor_of, older_than
from generation.models import Asset, SearchEntry
from generation.models.asset import AssetQuerySet

EVERYTHING = AssetFilter()
MOST_COUNTED = 10_000
Place = tuple[datetime, uuid.UUID]  # in a listing's order


@dataclass(frozen=True, slots=True)
class Page:
    """Assets newest first; `next_cursor` is empty on the last page."""

    assets: list[Asset]
    next_cursor: str


NONE = Page([], "")


@dataclass(frozen=True, slots=True)
class Listing:
    """Assets by the moment in the field `by`, newest first, those that fit `match` if there is one.

    With `fitting` those of them alone that are the best of their job's among it: `source` is not narrowed to
    them, so that a search looks at the best of what it found alone.

    Its methods raise BadCursor.
    """

    source: AssetQuerySet[Asset]
    by: str
    match: Match | None = None
    tie: str = "id"
    fitting: AssetQuerySet[Asset] | None = None  # of whose jobs only the best are listed
    whole: AssetQuerySet[Asset] | None = None  # the source, where it is all that an owner has in the Library

    def page(self, cursor: str, limit: int, *, skip: int = 0) -> Page:
        """`skip` is for what lies in one hour: each row that is skipped is read."""
        found = list(self._rows(cursor, skip + limit + 1)[skip:])
        page = found[:limit]
        return Page(page, self.cursor_after(page[-1]) if len(found) > limit else "")

    def cursor_after(self, asset: Asset) -> str:
        return cursor_of(getattr(asset, self.by), asset.pk)

    def between(self, *, since: datetime | None = None, before: datetime | None = None) -> Listing:
        """Those of a span of time."""
        source = self.source.filter(**{f"{self.by}__gte": since}) if since else self.source
        return replace(self, source=source.filter(**{f"{self.by}__lt": before}) if before else source)

    def newest_hours(self, limit: int) -> tuple[list[tuple[datetime, int]], bool]:
        """The hours of the newest `limit` assets with their numbers, newest first, and whether these are all.

        Where they are not, the last hour is left out: it may be cut off.
        """
        moments = list(self._rows("", limit + 1).values_list(self.by, flat=True))
        grouped = [(hour, sum(1 for _ in same)) for hour, same in itertools.groupby(moments, hour_of)]
        return (grouped, True) if len(moments) <= limit else (grouped[:-1], False)

    def ids_between(self, one: Place, other: Place, limit: int) -> list[uuid.UUID]:
        """The ids from one place to the other in the page's order, both included, at most `limit`."""
        last, first = sorted([one, other])
        by, tie = self.by, self.tie
        upto = Q(**{f"{by}__lt": first[0]}) | Q(**{by: first[0], f"{tie}__lte": first[1]})
        since = Q(**{f"{by}__gt": last[0]}) | Q(**{by: last[0], f"{tie}__gte": last[1]})
        span = Q(**{f"{by}__lte": first[0], f"{by}__gte": last[0]})
        rows = replace(self, source=self.source.filter(span, upto, since))._rows("", limit)
        return list(rows.values_list("id", flat=True))

    def versions(self, cursor: str, limit: int) -> list[tuple[object, ...]]:
        """What changes with any change of the page, in one query that reads no text.

        The times tell rows apart that took the same revision before and after a restore of the database.
        """
        rows = self._rows(cursor, limit + 1)
        return list(rows.values_list("id", "revision", "completed_at", "saved_at", "trashed_at"))

    def count(self, most: int = MOST_COUNTED) -> int:
        """How many there are in all; one more than `most` stands for any more."""
        entries = self._entries("")
        return newest.count(self.source, self.match, most + 1, fitting=self.fitting, entries=entries)

    def _rows(self, cursor: str, number: int) -> QuerySet[Asset]:
        rows = cast("AssetQuerySet[Asset]", older_than(self.source, self.by, cursor, tie=self.tie))
        if not self.match:
            return (rows if self.fitting is None else collapsed(rows, self.fitting))[:number]
        entries = self._entries(cursor)
        ids = newest.newest_ids(rows, self.by, self.match, number, fitting=self.fitting, entries=entries)
        return older_than(self.source.filter(pk__in=ids), self.by, "", tie=self.tie)

    def _entries(self, cursor: str) -> QuerySet[SearchEntry] | None:
        """The search entries that match, where they alone tell the listing: its source is not narrowed."""
        if not self.match or self.source is not self.whole:
            return None
        matching = SearchEntry.objects.filter(tokens__matching=self.match, saved_at__isnull=False)
        return older_than(matching, "saved_at", cursor, tie="asset_id")


def saved(*, owner_id: int, only: AssetFilter = EVERYTHING) -> Listing:
    """Saved assets by the moment they were saved, or the most alike first; images and videos in one order.

    Raises BadSearch.
    """
    only = only.looked_up(owner_id)
    whole = _readable(owner_id).in_library()
    source = only.narrow(whole, owner_id=owner_id)
    by, tie = only.order
    fitting = only.fitting(owner_id) if only.stacks else None
    return Listing(source, by, only.match(owner_id), tie, fitting, whole=whole if source is whole else None)


def trashed(*, owner_id: int) -> Listing:
    """Trashed assets by the moment they were discarded."""
    return Listing(_readable(owner_id).in_trash(), "trashed_at")


def _readable(owner_id: int) -> AssetQuerySet[Asset]:
    return Asset.objects.of(owner_id).defer("search_text")  # as long as the prompt, and only compared


def library(*, owner_id: int, only: AssetFilter = EVERYTHING, cursor: str = "", limit: int = 60) -> Page:
    """A page of saved assets. Raises BadCursor, BadSearch."""
    return saved(owner_id=owner_id, only=only).page(cursor, limit)


def trash(*, owner_id: int, cursor: str = "", limit: int = 60) -> Page:
    """A page of trashed assets. Raises BadCursor."""
    return trashed(owner_id=owner_id).page(cursor, limit)


def completed_assets(*, owner_id: int, asset_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Asset]:
    """Those of these that are the owner's and completed, also in the trash, with their jobs."""
    mine = _readable(owner_id).completed().filter(pk__in=asset_ids)
    return {asset.pk: asset for asset in mine.select_related("job")}


def find_asset(*, owner_id: int, asset_id: uuid.UUID, media: str = "") -> Asset | None:
    """The owner's asset (of this medium, where one is named) with its job and project, or None."""
    if media and media not in Media.values:  # as it stands in an address: PostgreSQL takes no NUL
        return None
    found = Asset.objects.of(owner_id).select_related("job", "project").filter(pk=asset_id)
    return (found.filter(media=media) if media else found).first()
