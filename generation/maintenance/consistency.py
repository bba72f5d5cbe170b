"""Consistency checks: how to find each inconsistency, and fix it where the right state is provable."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from generation.assets import file_deletions
from generation.changes import library_hours, memberships, project_totals, search_entries, writes
from generation.changes.library_totals import counters_with_wrong_totals, recount
from generation.jobs.finish import set_status_from_slots
from generation.maintenance import embeddings, search_index, stored_files
from generation.maintenance.cleanup import old_uploads
from generation.media import storage
from generation.models import (
    Asset,
    AssetStatus,
    Attempt,
    Collection,
    Job,
    JobStatus,
    Outcome,
    OwnerCounter,
    Preview,
    Project,
    Tag,
    Tombstone,
    Upload,
)
from generation.models.statuses import ACTIVE

# The chores delete a preview within a round; one that is still there so much later is stale.
PREVIEW_AGE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A kind of inconsistency.

    `find` yields the ids (or file names) of inconsistent rows. `fix` repairs one of them after checking again
    under its locks, so that a row that is right by then is not changed; it is None where no fix is provable.
    """

    name: str
    title: str
    find: Callable[[], Iterable[Any]]
    fix: Callable[[Any], None] | None = None


def _pks(rows: QuerySet[Any]) -> Iterator[Any]:
    return rows.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=2000)


def ended_jobs_with_queued_slots() -> Iterator[uuid.UUID]:
    open_slots = Asset.objects.filter(status=AssetStatus.QUEUED).values("job")
    return _pks(Job.objects.exclude(status__in=ACTIVE).filter(pk__in=open_slots))


def jobs_with_wrong_status() -> Iterator[uuid.UUID]:
    """Ended jobs whose status does not follow from their slots.

    Jobs with purged slots are left out: the status of those is not known any more.
    """
    complete = _with_counts().filter(slot_count=F("quantity"), queued=0)
    wrong = Q(status=JobStatus.COMPLETED, completed__lt=F("slot_count"))
    wrong |= Q(status=JobStatus.PARTIAL) & (Q(completed=0) | Q(completed=F("slot_count")))
    wrong |= Q(status=JobStatus.FAILED, completed__gt=0)
    wrong |= Q(status=JobStatus.CANCELLED, cancelled=0)
    return _pks(complete.filter(wrong))


def queued_jobs_without_open_slots() -> Iterator[uuid.UUID]:
    return _pks(_with_counts().filter(status=JobStatus.QUEUED, slot_count=F("quantity"), queued=0))


def _with_counts() -> QuerySet[Any]:
    def count(status: AssetStatus) -> Count:
        return Count("assets", filter=Q(assets__status=status))

    return Job.objects.annotate(
        slot_count=Count("assets"),
        queued=count(AssetStatus.QUEUED),
        completed=count(AssetStatus.COMPLETED),
        cancelled=count(AssetStatus.CANCELLED),
    )


def running_attempts_of_other_jobs() -> Iterator[int]:
    return _pks(Attempt.objects.filter(ended_at=None).exclude(job__status=JobStatus.PROCESSING))


@transaction.atomic
def end_attempt(attempt_id: int) -> None:
    job = Job.objects.select_for_update(of=("self",)).filter(attempts=attempt_id).first()
    if job and job.status != JobStatus.PROCESSING:
        writes.end_attempt(job, Outcome.EXPIRED)


def running_jobs_without_attempt() -> Iterator[uuid.UUID]:
    running = Attempt.objects.filter(ended_at=None).values("job")
    return _pks(Job.objects.filter(status=JobStatus.PROCESSING).exclude(pk__in=running))


def counters_behind_rows() -> Iterator[int]:
    last_revisions = _last_revisions()  # first: what changes after it has counted its owner's counter up
    counted = dict(OwnerCounter.objects.values_list("pk", "revision"))
    return (owner for owner, last in sorted(last_revisions.items()) if counted.get(owner, -1) < last)


def _last_revisions(**of: Any) -> dict[int, int]:
    """The highest revision that an owner's rows carry, by owner."""
    last: dict[int, int] = {}
    for model in (Job, Asset, Tombstone):
        rows = model._default_manager.filter(**of).order_by().values_list("owner_id")
        for owner_id, revision in rows.annotate(last=Max("revision")).iterator():
            last[owner_id] = max(revision, last.get(owner_id, 0))
    return last


@transaction.atomic
def advance_counter(owner_id: int) -> None:
    if not _last_revisions(owner_id=owner_id):
        return
    OwnerCounter.objects.get_or_create(pk=owner_id)
    counter = OwnerCounter.objects.select_for_update().get(pk=owner_id)
    last = _last_revisions(owner_id=owner_id).get(owner_id, 0)
    OwnerCounter.objects.filter(pk=owner_id).update(revision=max(counter.revision, last))


@transaction.atomic
def recount_project(project_id: uuid.UUID) -> None:
    for project in Project.objects.filter(pk=project_id):
        writes.announce(project.owner_id)  # locks what orders the writes of totals
        project_totals.recount(project_id)


@transaction.atomic
def recount_grouping(grouping: Any, group_id: uuid.UUID) -> None:
    for group in grouping.objects.filter(pk=group_id):
        writes.announce(group.owner_id)
        memberships.recount(grouping, group_id)


def stale_previews() -> Iterator[int]:
    old = Preview.objects.filter(stored_at__lt=timezone.now() - PREVIEW_AGE)
    return _pks(old.exclude(job__status=JobStatus.PROCESSING))


def delete_preview(preview_id: int) -> None:
    Preview.objects.filter(pk=preview_id).exclude(job__status=JobStatus.PROCESSING).delete()


def unused_uploads() -> Iterator[uuid.UUID]:
    return _pks(old_uploads().filter(accepted_at=None).exclude(job__status=JobStatus.PROCESSING))


@transaction.atomic
def delete_upload(upload_id: uuid.UUID) -> None:
    unused = Upload.objects.select_for_update().filter(pk=upload_id, accepted_at=None).first()
    if unused:
        unused.delete()
        file_deletions.delete_after_commit(storage.file_names(unused))


ROWS = (
    Check(
        name="ended_jobs_with_queued_slots",
        title="ended jobs with queued slots",
        find=ended_jobs_with_queued_slots,
        fix=set_status_from_slots,
    ),
    Check(
        name="jobs_with_wrong_status",
        title="ended jobs whose status does not follow from their slots",
        find=jobs_with_wrong_status,
        fix=set_status_from_slots,
    ),
    Check(
        name="queued_jobs_without_open_slots",
        title="queued jobs without open slots",
        find=queued_jobs_without_open_slots,
        fix=set_status_from_slots,
    ),
    Check(
        name="running_attempts_of_other_jobs",
        title="running attempts of jobs that do not run",
        find=running_attempts_of_other_jobs,
        fix=end_attempt,
    ),
    Check(
        name="running_jobs_without_attempt",
        title="running jobs without a running attempt",
        find=running_jobs_without_attempt,
    ),
    Check(
        name="counters_behind_rows",
        title="owners whose change counter is behind their rows",
        find=counters_behind_rows,
        fix=advance_counter,
    ),
    Check(
        name="wrong_library_totals",
        title="owners whose Library totals differ from their rows",
        find=lambda: _pks(counters_with_wrong_totals()),
        fix=recount,
    ),
    Check(
        name="wrong_project_totals",
        title="projects whose totals differ from their rows",
        find=lambda: _pks(project_totals.projects_with_wrong_totals()),
        fix=recount_project,
    ),
    Check(
        name="wrong_collection_counts",
        title="collections whose count differs from their rows",
        find=lambda: _pks(memberships.with_wrong_count(Collection)),
        fix=partial(recount_grouping, Collection),
    ),
    Check(
        name="wrong_tag_counts",
        title="tags whose count differs from their rows",
        find=lambda: _pks(memberships.with_wrong_count(Tag)),
        fix=partial(recount_grouping, Tag),
    ),
    Check(
        name="wrong_library_hours",
        title="owners whose Library's hours differ from their rows",
        find=library_hours.owners_with_wrong_hours,
        fix=library_hours.recount,
    ),
    Check(
        name="stale_previews",
        title="previews of jobs that do not run",
        find=stale_previews,
        fix=delete_preview,
    ),
    Check(
        name="unused_uploads",
        title="unused uploads over a day old, of jobs that do not run",
        find=unused_uploads,
        fix=delete_upload,
    ),
    Check(
        name="unsearchable_assets",
        title="assets that no search finds",
        find=search_index.unsearchable_assets,
        fix=search_index.make_searchable,
    ),
    Check(
        name="wrong_search_moments",
        title="search entries that say something else of the Library than their assets",
        find=lambda: iter(search_entries.with_wrong_moment().values_list("pk", flat=True)),
        fix=search_entries.correct,
    ),
    Check(
        name="assets_without_embedding",
        title="completed assets whose embedding nobody asked for",
        find=embeddings.without_embedding,
        fix=embeddings.want_one,
    ),
)
FILES = (
    Check(
        name="rows_without_file",
        title="completed assets and reference images whose file or thumbnail is not in the storage",
        find=stored_files.rows_without_file,
    ),
    Check(
        name="files_without_row",
        title="stored files over a day old without a row",
        find=stored_files.files_without_row,
        fix=stored_files.delete_file_without_row,
    ),
)
