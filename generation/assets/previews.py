"""Reading and deleting previews: one row per slot, the newest, while the job runs."""

from __future__ import annotations

from generation.models import Asset, JobStatus, Preview

BATCH = 200


def preview_of(asset: Asset) -> bytes | None:
    """The newest preview of the asset's slot, WebP; None when there is none."""
    mine = Preview.objects.filter(job_id=asset.job_id, slot=asset.slot)
    return next((bytes(picture) for picture in mine.values_list("picture", flat=True)), None)


def delete_previews(limit: int = BATCH) -> int:
    """Delete the previews of jobs that no longer run; returns their number. Bounded, idempotent."""
    over = Preview.objects.exclude(job__status=JobStatus.PROCESSING).values_list("pk", flat=True)[:limit]
    deleted, _ = Preview.objects.filter(pk__in=list(over)).delete()
    return deleted
