"""Listing an owner's jobs with their assets: those on the Workspace, all, or those with given ids."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from generation.core.keyset import newest_by_id
from generation.models import Asset, Job, JobReference
from generation.models.job import JobQuerySet


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs newest first with their assets; `next_cursor` is empty on the last page."""

    jobs: list[Job]
    next_cursor: str


def staged_jobs(*, owner_id: int, cursor: str = "", limit: int = 20) -> JobPage:
    """A page of the jobs on the Workspace, newest first. Raises BadCursor."""
    return _page(Job.objects.of(owner_id).staged(), cursor, limit)


def all_jobs(*, owner_id: int, cursor: str = "", limit: int = 50) -> JobPage:
    """A page of every job of the owner, newest first. Raises BadCursor."""
    return _page(Job.objects.of(owner_id), cursor, limit)


def versions(*, owner_id: int, cursor: str = "", limit: int = 50) -> list[tuple[object, ...]] | None:
    """What changes with any change of the page of `all_jobs`, in three queries that read no text.

    None while a job of the page has not ended: progress, and where it stands in the queue, take no revision.
    Raises BadCursor.
    """
    jobs, following = newest_by_id(
        Job.objects.of(owner_id).only("id", "revision", "finished_at"), cursor, limit
    )
    if any(job.finished_at is None for job in jobs):
        return None
    ids = [job.pk for job in jobs]
    slots = Asset.objects.filter(job__in=ids).order_by("id")
    references = JobReference.objects.filter(job__in=ids).order_by("id")
    return [
        *((job.pk, job.revision, job.finished_at) for job in jobs),
        *slots.values_list("id", "revision", "completed_at", "saved_at", "trashed_at"),
        *references.values_list("id", "reference_id"),
        (following,),
    ]


def _page(source: JobQuerySet, cursor: str, limit: int) -> JobPage:
    return JobPage(*newest_by_id(source.with_slots().select_related("project"), cursor, limit))


def jobs_with_slots(*, owner_id: int, job_ids: Iterable[uuid.UUID]) -> list[Job]:
    """The owner's jobs with these ids, newest first, with their assets."""
    mine = Job.objects.of(owner_id).filter(pk__in=job_ids).select_related("project")
    return list(mine.with_slots().order_by("-id"))
