"""What must be done from time to time: bounded, idempotent, safe to run twice at once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from generation import events, trace
from generation.lifecycle import revisions
from generation.models import Asset, AssetStatus, Image, OwnerCounter, Purged, Upload, Video

BATCH = 200
# An upload or a file that nothing names may still be on its way to its row.
LEFTOVER_HOURS = 24


def purge_trash(limit: int = BATCH) -> int:
    """Delete assets that were in the trash for TRASH_DAYS: their rows first, then their files.

    A crash between the two leaves files without rows, which `unknown_files` finds; never rows without files.
    """
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    return sum(_purge(model, old, limit) for model in (Image, Video))


def _purge(model: type[Asset], old: object, limit: int) -> int:
    overdue = model.objects.in_trash().filter(trashed_at__lt=old)
    owners = sorted(set(overdue.order_by("owner_id").values_list("owner_id", flat=True)[:limit]))
    return sum(_purge_of(model, owner_id, old, limit) for owner_id in owners)


@transaction.atomic
def _purge_of(model: type[Asset], owner_id: int, old: object, limit: int) -> int:
    overdue = model.objects.of(owner_id).in_trash().filter(trashed_at__lt=old).order_by("id")
    assets = list(overdue.select_for_update(skip_locked=True)[:limit])
    if not assets:
        return 0
    revision = revisions.take(owner_id=owner_id, count=len(assets))
    rows = [
        Purged(
            asset_id=asset.pk,
            owner_id=owner_id,
            job_id=asset.job_id,
            media=asset.media,
            purged_at=Now(),
            revision=next(revision),
        )
        for asset in assets
    ]
    Purged.objects.bulk_create(rows)
    model.objects.filter(pk__in=[asset.pk for asset in assets]).delete()
    _delete_files_after_commit([name for asset in assets for name in _names(asset)])
    for asset in assets:
        trace.after_commit("asset.purged", asset=str(asset.pk), job=str(asset.job_id))
    events.changed(owner_id=owner_id, revision=rows[-1].revision, job_ids={a.job_id for a in assets})
    return len(assets)


def _names(row: Asset | Upload) -> list[str]:
    """The stored files that the row names."""
    return [file.name for file in (row.file, row.thumbnail) if file.name]


def _delete_files_after_commit(names: Sequence[str]) -> None:
    def delete() -> None:
        for name in names:
            default_storage.delete(name)

    transaction.on_commit(delete, robust=True)


def forget_purged(limit: int = BATCH) -> int:
    """Drop the notes on purges that are older than TRASH_DAYS; readers behind them must start afresh."""
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    notes = Purged.objects.filter(purged_at__lt=old).order_by("owner_id", "revision")
    owners = sorted(set(notes.values_list("owner_id", flat=True)[:limit]))
    return sum(_forget(owner_id, old) for owner_id in owners)


@transaction.atomic
def _forget(owner_id: int, old: object) -> int:
    counter = OwnerCounter.objects.select_for_update().get(pk=owner_id)
    notes = Purged.objects.filter(owner_id=owner_id, purged_at__lt=old)
    last = notes.aggregate(last=Max("revision"))["last"]
    if last is None:
        return 0
    OwnerCounter.objects.filter(pk=owner_id).update(horizon=max(counter.horizon, last))
    deleted, _ = notes.delete()
    return deleted


@transaction.atomic
def drop_old_uploads(limit: int = BATCH) -> int:
    """Delete uploads that are over a day old; with their files, where no callback put them into a slot."""
    old = Upload.objects.filter(created_at__lt=timezone.now() - timedelta(hours=LEFTOVER_HOURS))
    mine = list(old.select_for_update(skip_locked=True).order_by("created_at")[:limit])
    Upload.objects.filter(pk__in=[upload.pk for upload in mine]).delete()
    unused = [upload for upload in mine if upload.accepted_at is None]
    _delete_files_after_commit([name for row in unused for name in _names(row)])
    return len(mine)


def unknown_files() -> Iterator[str]:
    """Names of stored files that are over a day old and that no row names."""
    old = timezone.now() - timedelta(hours=LEFTOVER_HOURS)
    folders, _ = default_storage.listdir("")
    for folder in sorted(folders):
        _, files = default_storage.listdir(folder)
        names = [f"{folder}/{name}" for name in sorted(files)]
        known = _named(folder)
        yield from (
            name for name in names if name not in known and default_storage.get_modified_time(name) < old
        )


def _named(job_id: str) -> set[str]:
    """The file names that rows of this job hold; files lie in one folder for each job."""
    try:
        uuid.UUID(job_id)
    except ValueError:
        return set()
    found: set[str] = set()
    for model in (Image, Video, Upload):
        for pair in model.objects.filter(job_id=job_id).values_list("file", "thumbnail"):
            found |= set(pair)
    return found


def assets_without_files() -> Iterator[Asset]:
    """Completed assets whose file or thumbnail the storage does not have."""
    for model in (Image, Video):
        completed = model.objects.filter(status=AssetStatus.COMPLETED).order_by("id")
        for asset in completed.iterator(chunk_size=BATCH):
            if not all(default_storage.exists(name) for name in _names(asset)):
                yield asset
