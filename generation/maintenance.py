"""What must be done from time to time: bounded, idempotent, safe to run twice at once."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
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
    Image,
    OutboxEvent,
    OwnerCounter,
    Reference,
    Tombstone,
    Upload,
    Video,
)

BATCH = 200
# Far more jobs than end in an hour, which is how often it is done; rows without files go fast.
EVENTS = 100_000
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
    model.objects.filter(pk__in=[asset.pk for asset in assets]).delete()
    storage.delete_after_commit([name for asset in assets for name in storage.names_of(asset)])
    for asset in assets:
        audit_log.after_commit("asset.purged", actor=SYSTEM, asset=str(asset.pk), job=str(asset.job_id))
    publisher.changed(owner_id=owner_id, revision=rows[-1].revision, job_ids={a.job_id for a in assets})
    return len(assets)


def drop_old_tombstones(limit: int = BATCH) -> int:
    """Drop the notes on purges that are older than TRASH_DAYS; readers behind them must start afresh."""
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    notes = Tombstone.objects.filter(purged_at__lt=old).order_by("owner_id", "revision")
    owners = sorted(set(notes.values_list("owner_id", flat=True)[:limit]))
    return sum(_forget(owner_id, old) for owner_id in owners)


@transaction.atomic
def _forget(owner_id: int, old: object) -> int:
    counter = OwnerCounter.objects.select_for_update().get(pk=owner_id)
    notes = Tombstone.objects.filter(owner_id=owner_id, purged_at__lt=old)
    last = notes.aggregate(last=Max("revision"))["last"]
    if last is None:
        return 0
    OwnerCounter.objects.filter(pk=owner_id).update(oldest_revision=max(counter.oldest_revision, last))
    deleted, _ = notes.delete()
    return deleted


@transaction.atomic
def drop_old_uploads(limit: int = BATCH) -> int:
    """Delete uploads that are over a day old; with their files, where no callback put them into a slot."""
    old = Upload.objects.filter(created_at__lt=timezone.now() - timedelta(hours=LEFTOVER_HOURS))
    mine = list(old.select_for_update(skip_locked=True).order_by("created_at")[:limit])
    Upload.objects.filter(pk__in=[upload.pk for upload in mine]).delete()
    unused = [upload for upload in mine if upload.accepted_at is None]
    storage.delete_after_commit([name for row in unused for name in storage.names_of(row)])
    return len(mine)


@transaction.atomic
def drop_old_references(limit: int = BATCH) -> int:
    """Delete reference images that nobody named for REFERENCE_DAYS and that no waiting or running job needs.

    A submission or a retry that names one meanwhile has moved its `used_at` on, by which the locked row is
    judged. A job that ended without it cannot be retried.
    """
    old = timezone.now() - timedelta(days=settings.REFERENCE_DAYS)
    idle = Reference.objects.idle().filter(used_at__lt=old)
    mine = list(idle.select_for_update(skip_locked=True, of=("self",)).order_by("used_at")[:limit])
    Reference.objects.filter(pk__in=[reference.pk for reference in mine]).delete()
    storage.delete_after_commit([name for row in mine for name in storage.names_of(row)])
    return len(mine)


def drop_old_events(limit: int = EVENTS) -> int:
    """Delete what has been in the outbox for OUTBOX_DAYS, whether or not a reader has come to it."""
    old = OutboxEvent.objects.filter(created_at__lt=timezone.now() - timedelta(days=settings.OUTBOX_DAYS))
    deleted, _ = OutboxEvent.objects.filter(pk__in=old.order_by("created_at").values("pk")[:limit]).delete()
    return deleted


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


def _named(folder: str) -> set[str]:
    """The file names that rows hold in this folder: one for each job, or one for an owner's references."""
    owner_id = storage.owner_of(folder)
    if owner_id is not None:
        rows: list[QuerySet[Any]] = [Reference.objects.of(owner_id)]
    else:
        try:
            uuid.UUID(folder)
        except ValueError:
            return set()
        rows = [model.objects.filter(job_id=folder) for model in (Image, Video, Upload)]
    pairs = itertools.chain.from_iterable(some.values_list("file", "thumbnail") for some in rows)
    return set(itertools.chain.from_iterable(pairs))


def rows_without_files() -> Iterator[Asset | Reference]:
    """Completed assets and reference images whose file or thumbnail the storage does not have."""
    kept: list[QuerySet[Any]] = [
        Image.objects.completed(),
        Video.objects.completed(),
        Reference.objects.all(),
    ]
    for rows in kept:
        for row in rows.order_by("id").iterator(chunk_size=BATCH):
            if not all(default_storage.exists(name) for name in storage.names_of(row)):
                yield row
