"""Deleting asset rows for good, so that readers of the change feed hear of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from generation.changes import project_totals, publisher, revisions
from generation.changes.library_totals import NOTHING, totals_of
from generation.changes.project_totals import totals_by_project
from generation.core.clock import Now
from generation.models import Asset, Tombstone


def purge(owner_id: int, assets: Sequence[Asset]) -> None:
    """Replace these locked rows of the owner's by tombstones, and publish after commit. Their files stay."""
    if not assets:
        return
    freed = NOTHING - totals_of(assets)
    revision = revisions.take(owner_id=owner_id, count=len(assets), library=freed)
    project_totals.add(after={}, before=totals_by_project(assets))
    rows = [
        Tombstone(
            asset_id=asset.pk,
            owner_id=owner_id,
            job_id=asset.job_id,
            media=asset.media,
            purged_at=Now(),
            revision=next(revision),
        )
        for asset in assets
    ]
    Tombstone.objects.bulk_create(rows)
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).delete()
    job_ids: set[uuid.UUID] = {asset.job_id for asset in assets}
    publisher.changed(owner_id=owner_id, revision=rows[-1].revision, job_ids=job_ids)
