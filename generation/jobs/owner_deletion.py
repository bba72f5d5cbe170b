"""Permanently deleting everything an owner has: rows in many small transactions, files after each commit.

It may be stopped anywhere and started again. A crash leaves at most files that the chores delete
(`file_deletions`).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from generation.assets import file_deletions
from generation.core import audit_log
from generation.core.actors import Actor
from generation.jobs.actions import cancel_all
from generation.jobs.deletion import delete_jobs
from generation.media import storage
from generation.models import (
    Asset,
    BulkOperation,
    Collection,
    Job,
    LibraryHour,
    OutboxEvent,
    OwnerCounter,
    PersonalToken,
    Project,
    Reference,
    SavedSearch,
    Tag,
    Tombstone,
    UserQuota,
)
from generation.models.statuses import ACTIVE

BATCH = 200


@dataclass(frozen=True, slots=True)
class OwnerTotals:
    """How much an owner has."""

    jobs: int
    images: int
    videos: int
    references: int
    projects: int
    tokens: int


def owner_totals(owner_id: int) -> OwnerTotals:
    def number(model: Any) -> int:
        return int(model.objects.filter(owner_id=owner_id).count())

    assets = Asset.objects.of(owner_id)
    return OwnerTotals(
        jobs=number(Job),
        images=assets.images().count(),
        videos=assets.videos().count(),
        references=number(Reference),
        projects=number(Project),
        tokens=number(PersonalToken),
    )


def delete_all_of(owner_id: int, *, actor: Actor) -> Generator[None]:
    """Delete everything; yields after each transaction, so that the caller can report progress, or stop.

    The owner must be unable to sign in already.

    Raises:
        ProtectedError, IntegrityError: a request that was in work has added something meanwhile.
    """
    while cancel_all(owner_id=owner_id, actor=actor):
        yield
    while _delete_jobs(owner_id, actor):
        yield
    while _delete_references(owner_id):
        yield
    for model in (Tombstone, OutboxEvent):
        while _delete_some(model, owner_id):
            yield
    while _delete_some(LibraryHour, owner_id, by="hour"):
        yield
    _delete_rest(owner_id)


@transaction.atomic
def _delete_jobs(owner_id: int, actor: Actor) -> int:
    """Delete a batch of ended jobs with everything that refers to them; returns its size."""
    ended = Job.objects.of(owner_id).exclude(status__in=ACTIVE).order_by("id")  # as all lock jobs
    job_ids = list(ended.select_for_update().values_list("pk", flat=True)[:BATCH])
    delete_jobs(job_ids)
    if job_ids:
        audit_log.after_commit("owner.jobs_deleted", actor=actor, owner=owner_id, jobs=len(job_ids))
    return len(job_ids)


@transaction.atomic
def _delete_references(owner_id: int) -> int:
    some = list(Reference.objects.of(owner_id).select_for_update().order_by("id")[:BATCH])
    Reference.objects.filter(pk__in=[reference.pk for reference in some]).delete()
    file_deletions.delete_after_commit([name for row in some for name in storage.file_names(row)])
    return len(some)


def _delete_some(model: Any, owner_id: int, *, by: str = "revision") -> int:
    mine = model.objects.filter(owner_id=owner_id).order_by(by)
    some = list(mine.values_list("pk", flat=True)[:BATCH])
    model.objects.filter(pk__in=some).delete()
    return len(some)


@transaction.atomic
def _delete_rest(owner_id: int) -> None:
    organised = (BulkOperation, Collection, Tag, Project)
    for model in (*organised, PersonalToken, SavedSearch, UserQuota, OwnerCounter):
        rows: QuerySet[Any] = model.objects.filter(owner_id=owner_id)
        rows.delete()
    storage.delete_empty_after_commit([storage.references_folder(owner_id)])
