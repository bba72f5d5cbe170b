"""Small thumbnails and placeholders of results from before there were any."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath

from generation.assets import file_deletions
from generation.maintenance.older_results import OlderResults
from generation.media import storage
from generation.media.measure import measure
from generation.models import Asset
from generation.models.asset import AssetQuerySet

BATCH = 20  # in a round: what workers upload is decoded by the same processes


def make_small_thumbnails(limit: int = BATCH) -> int:
    """Make them from the thumbnails, newest first; the number made. Bounded, and safe to run twice at once.

    What has no readable thumbnail stays without.
    """
    return results.work(_make, limit)


def _lacking() -> AssetQuerySet[Asset]:
    return Asset.objects.filter(placeholder=None, completed_at__isnull=False)


def _make(asset: Asset) -> int:
    with asset.thumbnail.open() as content:
        measured = measure(content.file, media="image")
    # A name of its own: another run, or the purge, may be at the same row.
    stem = f"{PurePosixPath(str(asset.thumbnail)).parent}/{uuid.uuid4()}"
    name = storage.store_small_thumbnail(stem, measured.small_thumbnail)
    changed = _lacking().filter(pk=asset.pk).update(small_thumbnail=name, placeholder=measured.placeholder)
    if not changed:
        file_deletions.delete_unrecorded([name])
    return changed


results = OlderResults(_lacking, file="thumbnail", event="thumbnail.unreadable")
