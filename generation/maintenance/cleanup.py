"""Periodic maintenance: every chore is bounded, idempotent and safe to run twice at once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from generation.assets import file_deletions, operations
from generation.assets.purging import delete_all
from generation.core import isolation
from generation.core.actors import SYSTEM
from generation.jobs import unsuccessful
from generation.media import storage
from generation.models import (
    Asset,
    BulkOperation,
    Collection,
    CollectionItem,
    Job,
    OutboxEvent,
    OwnerCounter,
    Project,
    Reference,
    Tag,
    TagItem,
    Tombstone,
    Upload,
)
from generation.models.statuses import UNSUCCESSFUL

BATCH = 200
# Far more jobs than end in an hour, the interval of this chore; rows without files are deleted fast.
EVENT_BATCH = 100_000
JOB_BATCH = 50_000
ITEM_BATCH = 5000
# Of one owner. A reader of the feed that is further behind loads everything afresh.
MAX_TOMBSTONES = 20_000
MAX_EVENTS = 100_000
# A younger upload or file that no row refers to may still be in work.
ORPHAN_AGE_HOURS = 24
# Longer than an operation can be undone, which brings them back.
GROUPING_AGE = timedelta(days=3)


def purge_trash(limit: int = BATCH) -> int:
    """Delete assets that were in the trash for TRASH_DAYS: their rows first, then their files.

    A crash between the two leaves files to `file_deletions.delete_left`; never rows without files.
    """
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    overdue = Asset.objects.in_trash().filter(trashed_at__lt=old)
    owners = sorted(set(overdue.order_by("owner_id").values_list("owner_id", flat=True)[:limit]))
    return isolation.each(owners, partial(_purge_of, old=old, limit=limit))


def _purge_of(owner_id: int, *, old: datetime, limit: int) -> int:
    overdue = Asset.objects.of(owner_id).in_trash().filter(trashed_at__lt=old).order_by("id")
    asset_ids = list(overdue.values_list("pk", flat=True)[:limit])
    return isolation.in_batch(asset_ids, partial(_purge, owner_id, old))


def _purge(owner_id: int, old: datetime, asset_ids: Sequence[uuid.UUID]) -> int:
    overdue = Asset.objects.of(owner_id).filter(trashed_at__lt=old, pk__in=asset_ids)
    return len(delete_all(owner_id, SYSTEM, overdue))


def delete_old_tombstones(limit: int = BATCH) -> int:
    """Delete tombstones older than TRASH_DAYS, and an owner's beyond the newest MAX_TOMBSTONES.

    Readers of the feed behind them must reload.
    """
    old = timezone.now() - timedelta(days=settings.TRASH_DAYS)
    tombstones = Tombstone.objects.filter(purged_at__lt=old).order_by("owner_id", "revision")
    owners = sorted(set(tombstones.values_list("owner_id", flat=True)[:limit]))
    which = [(owner_id, Q(purged_at__lt=old)) for owner_id in owners]
    which += [(owner, Q(revision__lte=last)) for owner, last in _surplus(Tombstone, MAX_TOMBSTONES)]
    return isolation.each(which, _delete_tombstones_of)


@transaction.atomic
def _delete_tombstones_of(owner_and_which: tuple[int, Q]) -> int:
    owner_id, which = owner_and_which
    counter = OwnerCounter.objects.select_for_update().get(pk=owner_id)
    tombstones = Tombstone.objects.filter(which, owner_id=owner_id)
    last = tombstones.aggregate(last=Max("revision"))["last"]
    if last is None:
        return 0
    OwnerCounter.objects.filter(pk=owner_id).update(oldest_revision=max(counter.oldest_revision, last))
    deleted, _ = tombstones.delete()
    return deleted


def _surplus(model: type[Tombstone | OutboxEvent], most: int) -> Iterator[tuple[int, int]]:
    """Owners with more than `most` of these rows, each with the last revision that is too many."""
    rows = model._default_manager.order_by()
    counted = rows.values("owner").annotate(number=Count("pk")).filter(number__gt=most)
    for owner_id in counted.values_list("owner_id", flat=True):
        newest_first = rows.filter(owner_id=owner_id).order_by("-revision")
        yield owner_id, newest_first.values_list("revision", flat=True)[most]


def old_uploads() -> QuerySet[Upload]:
    return Upload.objects.filter(created_at__lt=timezone.now() - timedelta(hours=ORPHAN_AGE_HOURS))


def delete_old_uploads(limit: int = BATCH) -> int:
    """Delete uploads over a day old, with their files where no callback put them into a slot."""
    upload_ids = old_uploads().order_by("created_at").values_list("pk", flat=True)[:limit]
    return isolation.in_batch(list(upload_ids), _delete_uploads)


@transaction.atomic
def _delete_uploads(upload_ids: Sequence[uuid.UUID]) -> int:
    mine = list(old_uploads().filter(pk__in=upload_ids).select_for_update(skip_locked=True))
    Upload.objects.filter(pk__in=[upload.pk for upload in mine]).delete()
    unused = [upload for upload in mine if upload.accepted_at is None]
    file_deletions.delete_after_commit([name for row in unused for name in storage.file_names(row)])
    return len(mine)


def delete_old_references(limit: int = BATCH) -> int:
    """Delete reference images unused for REFERENCE_DAYS that no waiting or running job needs.

    A submission or a retry that uses one meanwhile has updated its `used_at`, which is checked on the locked
    row. An ended job cannot be retried without its references.
    """
    reference_ids = _old_references().order_by("used_at").values_list("pk", flat=True)[:limit]
    return isolation.in_batch(list(reference_ids), _delete_references)


def _old_references() -> QuerySet[Reference]:
    old = timezone.now() - timedelta(days=settings.REFERENCE_DAYS)
    return Reference.objects.idle().filter(used_at__lt=old)


@transaction.atomic
def _delete_references(reference_ids: Sequence[uuid.UUID]) -> int:
    idle = _old_references().filter(pk__in=reference_ids)
    mine = list(idle.select_for_update(skip_locked=True, of=("self",)))
    Reference.objects.filter(pk__in=[reference.pk for reference in mine]).delete()
    file_deletions.delete_after_commit([name for row in mine for name in storage.file_names(row)])
    return len(mine)


def delete_old_events(limit: int = EVENT_BATCH) -> int:
    """Delete outbox events older than OUTBOX_DAYS, and an owner's beyond the newest MAX_EVENTS.

    Whether or not every reader has read them.
    """
    old = OutboxEvent.objects.filter(created_at__lt=timezone.now() - timedelta(days=settings.OUTBOX_DAYS))
    deleted, _ = OutboxEvent.objects.filter(pk__in=old.order_by("created_at").values("pk")[:limit]).delete()
    for owner_id, revision in _surplus(OutboxEvent, MAX_EVENTS):
        surplus = OutboxEvent.objects.filter(owner_id=owner_id, revision__lte=revision)
        deleted += surplus.delete()[0]
    return deleted


def delete_unsuccessful_jobs(limit: int = JOB_BATCH) -> int:
    """Delete jobs that ended without a result UNSUCCESSFUL_JOB_DAYS ago, or before an owner's newest
    UNSUCCESSFUL_JOBS of them: submitting and cancelling costs nothing, and else grew without end.
    """
    old = timezone.now() - timedelta(days=settings.UNSUCCESSFUL_JOB_DAYS)
    of_owners = Job.objects.filter(status__in=UNSUCCESSFUL).order_by().values("owner")
    overdue = of_owners.annotate(number=Count("pk"), oldest=Min("finished_at")).filter(
        Q(number__gt=settings.UNSUCCESSFUL_JOBS) | Q(oldest__lt=old)
    )

    deleted = 0

    def delete_of(owner_id: int) -> int:
        nonlocal deleted
        before = deleted
        while deleted < limit and (
            number := unsuccessful.delete_some(owner_id, before=old, keep=settings.UNSUCCESSFUL_JOBS)
        ):
            deleted += number
        return deleted - before

    return isolation.each(overdue.values_list("owner_id", flat=True), delete_of)


def delete_expired_sessions(limit: int = EVENT_BATCH) -> int:
    """Delete sessions of people who did not come back in time."""
    expired = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    _, deleted = Session.objects.filter(pk__in=expired.values("pk")[:limit]).delete()
    return deleted.get(Session._meta.label, 0)


def delete_old_operations(limit: int = BATCH) -> int:
    """Delete operations that ended too long ago to be undone."""
    old = timezone.now() - timedelta(seconds=operations.UNDO_SECONDS)
    ended = BulkOperation.objects.filter(finished_at__lt=old).order_by("finished_at")
    BulkOperation.objects.filter(pk__in=(ids := list(ended.values_list("pk", flat=True)[:limit]))).delete()
    return len(ids)


def delete_old_groupings(limit: int = BATCH) -> int:
    """Delete collections, tags and projects that were deleted too long ago for the undo.

    Not projects from which something is still to be moved away.
    """
    total = 0
    for grouping, items in ((Collection, CollectionItem), (Tag, TagItem)):
        ids = list(_deleted(grouping).values_list("pk", flat=True)[:limit])
        total += isolation.each(ids, partial(_delete_grouping, grouping, items))
    ids = list(_deleted(Project).values_list("pk", flat=True)[:limit])
    return total + isolation.each(ids, _delete_project)


def _deleted(model: Any) -> QuerySet[Any]:
    old = timezone.now() - GROUPING_AGE
    rows: QuerySet[Any] = model.objects.filter(deleted_at__lt=old)
    return rows.order_by("deleted_at")


def _delete_grouping(grouping: Any, items: Any, group_id: uuid.UUID) -> int:
    mine = items.objects.filter(group_id=group_id)
    while some := list(mine.values_list("pk", flat=True)[:ITEM_BATCH]):
        mine.filter(pk__in=some).delete()
    deleted, _ = _deleted(grouping).filter(pk=group_id).delete()
    return min(1, deleted)


def _delete_project(project_id: uuid.UUID) -> int:
    used = [model._default_manager.filter(project_id=project_id).exists() for model in (Job, Asset)]
    return 0 if any(used) else min(1, _deleted(Project).filter(pk=project_id).delete()[0])
