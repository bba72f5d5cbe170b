"""Whether videos from before that was measured have sound."""

from __future__ import annotations

import uuid

from django.db import transaction

from generation.changes import writes
from generation.maintenance.older_results import OlderResults
from generation.media.measure import measure
from generation.models import Asset
from generation.models.asset import AssetQuerySet

BATCH = 1  # in a round: each is decoded in full, by the processes that decode what workers upload


def measure_sound(limit: int = BATCH) -> int:
    """Measure it, newest first; the number measured. Bounded, and safe to run twice at once.

    Of a file that is missing, or cannot be read, it stays unknown.
    """
    return videos.work(_measure, limit)


def _unknown() -> AssetQuerySet[Asset]:
    return Asset.objects.filter(has_audio=None, frames__isnull=False)


def _measure(asset: Asset) -> int:
    with asset.file.open() as content:
        has_audio = measure(content.file, media="video").has_audio
    return _write(asset.pk, has_audio=bool(has_audio))


@transaction.atomic
def _write(asset_id: uuid.UUID, *, has_audio: bool) -> int:
    found = list(_unknown().filter(pk=asset_id).select_for_update())
    for asset in found:
        writes.write_each(asset.owner_id, [asset], has_audio=has_audio)
    return len(found)


videos = OlderResults(_unknown, file="file", event="sound.unreadable")
