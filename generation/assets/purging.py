"""Deleting assets in the trash for good: rows first, then files.

A crash between the two leaves files that the chores delete (`file_deletions`); never rows without files.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction

from generation.assets import file_deletions
from generation.assets.actions import check_count
from generation.changes.purge import purge
from generation.core import audit_log
from generation.core.actors import Actor
from generation.media import storage
from generation.models import Asset
from generation.models.asset import AssetQuerySet


def delete_now(*, owner_id: int, actor: Actor, assets: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Delete those of the owner's that are in the trash; their ids. There is no undo. Raises TooMany."""
    check_count(assets)
    return delete_all(owner_id, actor, Asset.objects.of(owner_id).filter(pk__in=assets))


@transaction.atomic
def delete_all(owner_id: int, actor: Actor, assets: AssetQuerySet[Asset]) -> list[uuid.UUID]:
    """Delete those of these assets of the owner's that are in the trash, and that nobody holds locked."""
    locked = list(assets.in_trash().select_for_update(skip_locked=True).order_by("id"))
    purge(owner_id, locked)
    file_deletions.delete_after_commit([name for asset in locked for name in storage.file_names(asset)])
    for asset in locked:
        audit_log.after_commit("asset.purged", actor=actor, asset=str(asset.pk), job=str(asset.job_id))
    return [asset.pk for asset in locked]
