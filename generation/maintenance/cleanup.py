"""Periodic maintenance: every chore is bounded, idempotent and safe to run twice at once."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from generation.changes import publisher, revisions
from generation.core import audit_log
from generation.core.actors import SYSTEM
from generation.core.clock import Now
from generation.media import storage
from generation.models import (
    Asset,
    OutboxEvent,
    OwnerCounter,
    Reference,
    Tombstone,
    Upload,
)

BATCH = 200
# Far more jobs than end in an hour, the interval of this chore; rows without files are deleted fast.
EVENT_BATCH = 100_000
# A younger upload or file that no row refers to may still be in work.
ORPHAN_AGE_HOURS = 24


def purge_trash(limit: int = BATCH) -> int:
    """Delete assets that were in the trash for TRASH_DAYS: their rows first, then their files.

    A crash between the two leaves files without rows, which `check_consistency` finds; never rows without
    files.
    """
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    overdue = Asset.objects.in_trash().filter(trashed_at__lt=old)
    owners = sorted(set(overdue.order_by("owner_id").values_list("owner_id", flat=True)[:limit]))
    return sum(_purge_of(owner_id, old, limit) for owner_id in owners)


@transaction.atomic
def _purge_of(owner_id: int, old: object, limit: int) -> int:
    overdue = Asset.objects.of(owner_id).in_trash().filter(trashed_at__lt=old).order_by("id")
    assets = list(overdue.select_for_update(skip_locked=True)[:limit])
    if not assets:
        return 0
    revision = revisions.take(owner_id=owner_id, count=len(assets))
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
    storage.delete_after_commit([name for asset in assets for name in storage.file_names(asset)])
    for asset in assets:
        audit_log.after_commit("asset.purged", actor=SYSTEM, asset=str(asset.pk), job=str(asset.job_id))
    publisher.changed(owner_id=owner_id, revision=rows[-1].revision, job_ids={a.job_id for a in assets})
    return len(assets)


def delete_old_tombstones(limit: int = BATCH) -> int:
    """Delete tombstones older than TRASH_DAYS; readers of the feed behind them must reload."""
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    tombstones = Tombstone.objects.filter(purged_at__lt=old).order_by("owner_id", "revision")
    owners = sorted(set(tombstones.values_list("owner_id", flat=True)[:limit]))
    return sum(_delete_tombstones_of(owner_id, old) for owner_id in owners)


@transaction.atomic
def _delete_tombstones_of(owner_id: int, old: object) -> int:
    counter = OwnerCounter.objects.select_for_update().get(pk=owner_id)
    tombstones = Tombstone.objects.filter(owner_id=owner_id, purged_at__lt=old)
    last = tombstones.aggregate(last=Max("revision"))["last"]
    if last is None:
        return 0
    OwnerCounter.objects.filter(pk=owner_id).update(oldest_revision=max(counter.oldest_revision, last))
    deleted, _ = tombstones.delete()
    return deleted


def old_uploads() -> QuerySet[Upload]:
    return Upload.objects.filter(created_at__lt=timezone.now() - timedelta(hours=ORPHAN_AGE_HOURS))


@transaction.atomic
def delete_old_uploads(limit: int = BATCH) -> int:
    """Delete uploads over a day old, with their files where no callback put them into a slot."""
    mine = list(old_uploads().select_for_update(skip_locked=True).order_by("created_at")[:limit])
    Upload.objects.filter(pk__in=[upload.pk for upload in mine]).delete()
    unused = [upload for upload in mine if upload.accepted_at is None]
    storage.delete_after_commit([name for row in unused for name in storage.file_names(row)])
    return len(mine)


@transaction.atomic
def delete_old_references(limit: int = BATCH) -> int:
    """Delete reference images unused for REFERENCE_DAYS that no waiting or running job needs.

    A submission or a retry that uses one meanwhile has updated its `used_at`, which is checked on the locked
    row. An ended job cannot be retried without its references.
    """
    old = timezone.now() - timedelta(days=settings.REFERENCE_DAYS)
    idle = Reference.objects.idle().filter(used_at__lt=old)
    mine = list(idle.select_for_update(skip_locked=True, of=("self",)).order_by("used_at")[:limit])
    Reference.objects.filter(pk__in=[reference.pk for reference in mine]).delete()
    storage.delete_after_commit([name for row in mine for name in storage.file_names(row)])
    return len(mine)


def delete_old_events(limit: int = EVENT_BATCH) -> int:
    """Delete outbox events older than OUTBOX_DAYS, whether or not every reader has read them."""
    old = OutboxEvent.objects.filter(created_at__lt=timezone.now() - timedelta(days=settings.OUTBOX_DAYS))
    deleted, _ = OutboxEvent.objects.filter(pk__in=old.order_by("created_at").values("pk")[:limit]).delete()
    return deleted
