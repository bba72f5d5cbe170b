"""An owner's Library totals, stored beside the revision: counting a million rows takes a second.

Code that completes or deletes assets, or moves them into or out of the Library, takes their revisions with
the difference: the totals change in the same transaction and statement that increment the revision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from generation.catalog.job_types import Media
from generation.changes.library_hours import hour_of
from generation.models import Asset, AssetStatus, OwnerCounter


@dataclass(frozen=True, slots=True)
class LibraryTotals:
    """Images, videos and their bytes; negative in a difference.

    `stored_bytes` are those of all results: in the Library, under review and in the trash. `hours` says in
    which hours the images and videos were saved; stored totals come without.
    """

    images: int = 0
    videos: int = 0
    bytes: int = 0
    stored_bytes: int = 0
    hours: Mapping[datetime, int] = field(default_factory=dict, compare=False)

    @property
    def sums(self) -> dict[str, int]:
        """The totals by their names."""
        return {
            "images": self.images,
            "videos": self.videos,
            "bytes": self.bytes,
            "stored_bytes": self.stored_bytes,
        }

    def __sub__(self, other: LibraryTotals) -> LibraryTotals:
        return LibraryTotals(
            self.images - other.images,
            self.videos - other.videos,
            self.bytes - other.bytes,
            self.stored_bytes - other.stored_bytes,
            _less(self.hours, other.hours),
        )


def _less(hours: Mapping[datetime, int], others: Mapping[datetime, int]) -> dict[datetime, int]:
    left = Counter(hours)
    left.subtract(others)
    return left


NOTHING = LibraryTotals()


def totals_of(assets: Iterable[Asset]) -> LibraryTotals:
    """The totals of those assets, by the instances' current values."""
    results = [asset for asset in assets if asset.status == AssetStatus.COMPLETED]
    kept = [asset for asset in results if asset.saved_at is not None and asset.trashed_at is None]
    videos = sum(asset.media == Media.VIDEO for asset in kept)
    hours = Counter(hour_of(_moment(asset)) for asset in kept)
    return LibraryTotals(len(kept) - videos, videos, _bytes_of(kept), _bytes_of(results), hours)


def _moment(asset: Asset) -> datetime:
    """When it was saved: a moment read from the database's clock, as a `Now()` has no hour yet."""
    assert isinstance(asset.saved_at, datetime), "saved_at is set to a moment"
    return asset.saved_at


def _bytes_of(assets: Iterable[Asset]) -> int:
    return sum(asset.byte_size or 0 for asset in assets)


def library_totals(owner_id: int) -> LibraryTotals:
    """The owner's stored totals."""
    kept = OwnerCounter.objects.filter(pk=owner_id)
    sums = kept.values_list("library_images", "library_videos", "library_bytes", "stored_bytes").first()
    return LibraryTotals(*(sums or ()))


def counters_with_wrong_totals() -> QuerySet[OwnerCounter]:
    """Counters whose totals differ from those of the rows."""
    return OwnerCounter.objects.exclude(**counted())


@transaction.atomic
def recount(owner_id: int) -> None:
    """Set the owner's totals to those of the rows."""
    # First, in a statement of its own: the count below then sees everything committed before the lock.
    list(OwnerCounter.objects.select_for_update().filter(pk=owner_id))
    OwnerCounter.objects.filter(pk=owner_id).update(**counted())


def counted() -> dict[str, Any]:
    """The expression that counts each total, for a query of counters."""
    saved = Asset.objects.in_library()
    return {
        "library_images": _of_owner(saved.images(), Count("pk")),
        "library_videos": _of_owner(saved.videos(), Count("pk")),
        "library_bytes": _of_owner(saved, Sum("byte_size")),
        "stored_bytes": _of_owner(Asset.objects.completed(), Sum("byte_size")),
    }


def _of_owner(assets: QuerySet[Any], aggregate: Count | Sum) -> Coalesce:
    mine = assets.filter(owner=OuterRef("pk")).order_by().values("owner")
    return Coalesce(Subquery(mine.annotate(sum=aggregate).values("sum")), 0)
