"""Whether videos from before that was measured have sound."""

from __future__ import annotations

import structlog

from generation.core.errors import DecoderUnavailable, TooManyDecodes
from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.models import Asset
from generation.models.asset import AssetQuerySet

log = structlog.get_logger("ourvidz.chores")
BATCH = 1  # in a round: each is decoded in full, by the processes that decode what workers upload


def measure_sound(limit: int = BATCH) -> int:
    """Measure it, newest first; the number measured. Bounded, and safe to run twice at once.

    A file that is missing, or that cannot be read any more, has none, so that it is not tried again.
    """
    measured = 0
    for asset in _unknown().only("file").order_by("-id")[:limit]:
        try:
            measured += _measure(asset)
        except (TooManyDecodes, DecoderUnavailable):
            break  # others' files come first; the next round goes on here
        except (BrokenMedia, FileNotFoundError) as error:
            log.warning("sound.unreadable", asset=str(asset.pk), error=type(error).__name__)
            _unknown().filter(pk=asset.pk).update(has_audio=False)
    return measured


def _unknown() -> AssetQuerySet[Asset]:
    return Asset.objects.filter(has_audio=None, frames__isnull=False)


def _measure(asset: Asset) -> int:
    with asset.file.open() as content:
        has_audio = measure(content.file, media="video").has_audio
    return _unknown().filter(pk=asset.pk).update(has_audio=bool(has_audio))
