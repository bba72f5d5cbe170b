"""Small thumbnails and placeholders of results from before there were any."""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath

import structlog

from generation.assets import file_deletions
from generation.core.errors import DecoderUnavailable, TooManyDecodes
from generation.media import storage
from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.models import Asset
from generation.models.asset import AssetQuerySet

log = structlog.get_logger("ourvidz.chores")
BATCH = 20  # in a round: what workers upload is decoded by the same processes


def make_small_thumbnails(limit: int = BATCH) -> int:
    """Make them from the thumbnails, newest first; the number made. Bounded, and safe to run twice at once.

    What has no readable thumbnail gets an empty placeholder, so that it is not tried again.
    """
    made = 0
    for asset in _lacking().only("thumbnail").order_by("-id")[:limit]:
        try:
            made += _make(asset)
        except (TooManyDecodes, DecoderUnavailable):
            break  # others' files come first; the next round goes on here
        except (BrokenMedia, FileNotFoundError) as error:
            log.warning("thumbnail.unreadable", asset=str(asset.pk), error=type(error).__name__)
            _lacking().filter(pk=asset.pk).update(placeholder="")
    return made


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
