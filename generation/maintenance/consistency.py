"""What cannot be: how to find each kind of it, and how to mend it where the right state is provable."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from generation.changes import writes
from generation.changes.library_totals import counters_with_wrong_totals, recount
from generation.core import audit_log
from generation.core.actors import SYSTEM
from generation.jobs.finish import ASSET_END, Reason, end, fail, final_status
from generation.maintenance import stored_files
from generation.maintenance.chores import overdue_uploads
from generation.media import storage
from generation.models import (
    Asset,
    AssetStatus,
    Attempt,
    Job,
    JobStatus,
    Outcome,
    OwnerCounter,
    Preview,
    Tombstone,
    Upload,
)
from generation.models.statuses import ACTIVE

NOT_DELIVERED = Reason("not_delivered", "The job ended without this result.")
# A preview is removed within a round of the chores; one that stays so much longer is left over.
PREVIEW_AGE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A kind of inconsistency.

    `find` yields the ids (or the file names) of what is wrong. `fix` mends one of them and looks again under
    its locks first, so that what was right meanwhile stays as it is; it is None where no mend is provable.
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


def jobs_unlike_their_slots() -> Iterator[uuid.UUID]:
    """Ended jobs whose state is not the one that their slots give.

    Of a job with purged slots nothing is said: what they were is not known any more.
    """
    whole = _with_counts().filter(slot_count=F("quantity"), queued=0)
    wrong = Q(status=JobStatus.COMPLETED, completed__lt=F("slot_count"))
    wrong |= Q(status=JobStatus.PARTIAL) & (Q(completed=0) | Q(completed=F("slot_count")))
    wrong |= Q(status=JobStatus.FAILED, completed__gt=0)
    wrong |= Q(status=JobStatus.CANCELLED, cancelled=0)
    return _pks(whole.filter(wrong))


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


@transaction.atomic
def end_as_slots_say(job_id: uuid.UUID) -> None:
    """Close the open slots of an ended job; give a job without open slots the state that its slots give."""
    job = writes.lock(Job.objects.filter(pk=job_id))
    if job is None:
        return
    assets = writes.lock_assets(job)
    still_open = [asset for asset in assets if asset.status == AssetStatus.QUEUED]
    if job.is_active and (still_open or job.status == JobStatus.PROCESSING):
        return
    if job.status == JobStatus.CANCELLED:
        for asset in still_open:
            asset.status = AssetStatus.CANCELLED
    else:
        fail(still_open, NOT_DELIVERED)
    statuses = [asset.status for asset in assets]
    was_cancelled = job.status == JobStatus.CANCELLED and AssetStatus.CANCELLED in statuses
    status = JobStatus.CANCELLED if was_cancelled else final_status(statuses)
    if job.is_active:
        end(job, assets, status=status, changed=still_open, fields=ASSET_END)
    else:
        writes.write(job, changes={"status": status}, assets=still_open, fields=ASSET_END)
    audit_log.after_commit(
        "job.made_consistent", actor=SYSTEM, job=str(job.pk), slots=len(still_open), status=status.value
    )


def running_attempts_of_other_jobs() -> Iterator[int]:
    return _pks(Attempt.objects.filter(ended_at=None).exclude(job__status=JobStatus.PROCESSING))


@transaction.atomic
def end_attempt(attempt_id: int) -> None:
    attempt = Attempt.objects.select_related("job").get(pk=attempt_id)
    job = Job.objects.select_for_update().get(pk=attempt.job_id)
    if job.status != JobStatus.PROCESSING:
        writes.end_attempt(job, Outcome.EXPIRED)


def running_jobs_without_attempt() -> Iterator[uuid.UUID]:
    running = Attempt.objects.filter(ended_at=None).values("job")
    return _pks(Job.objects.filter(status=JobStatus.PROCESSING).exclude(pk__in=running))


def counters_behind_their_rows() -> Iterator[int]:
    counted = dict(OwnerCounter.objects.values_list("pk", "revision"))
    return (owner for owner, last in sorted(_last_revisions().items()) if counted.get(owner, -1) < last)


def _last_revisions(**of: Any) -> dict[int, int]:
    """The highest revision that an owner's rows carry, by owner."""
    last: dict[int, int] = {}
    for model in (Job, Asset, Tombstone):
        rows = model._default_manager.filter(**of).order_by().values_list("owner_id")
        for owner_id, revision in rows.annotate(last=Max("revision")).iterator():
            last[owner_id] = max(revision, last.get(owner_id, 0))
    return last


@transaction.atomic
def raise_counter(owner_id: int) -> None:
    OwnerCounter.objects.get_or_create(pk=owner_id)
    counter = OwnerCounter.objects.select_for_update().get(pk=owner_id)
    last = _last_revisions(owner_id=owner_id).get(owner_id, 0)
    OwnerCounter.objects.filter(pk=owner_id).update(revision=max(counter.revision, last))


def leftover_previews() -> Iterator[int]:
    old = Preview.objects.filter(stored_at__lt=timezone.now() - PREVIEW_AGE)
    return _pks(old.exclude(job__status=JobStatus.PROCESSING))


def delete_preview(preview_id: int) -> None:
    Preview.objects.filter(pk=preview_id).exclude(job__status=JobStatus.PROCESSING).delete()


def leftover_uploads() -> Iterator[uuid.UUID]:
    return _pks(overdue_uploads().filter(accepted_at=None).exclude(job__status=JobStatus.PROCESSING))


@transaction.atomic
def delete_upload(upload_id: uuid.UUID) -> None:
    unused = Upload.objects.select_for_update().filter(pk=upload_id, accepted_at=None).first()
    if unused:
        unused.delete()
        storage.delete_after_commit(storage.file_names(unused))


ROWS = (
    Check(
        name="ended_jobs_with_queued_slots",
        title="ended jobs with slots that still wait",
        find=ended_jobs_with_queued_slots,
        fix=end_as_slots_say,
    ),
    Check(
        name="jobs_unlike_their_slots",
        title="ended jobs whose state is not that of their slots",
        find=jobs_unlike_their_slots,
        fix=end_as_slots_say,
    ),
    Check(
        name="queued_jobs_without_open_slots",
        title="queued jobs with nothing left to make",
        find=queued_jobs_without_open_slots,
        fix=end_as_slots_say,
    ),
    Check(
        name="running_attempts_of_other_jobs",
        title="attempts that run though their job does not",
        find=running_attempts_of_other_jobs,
        fix=end_attempt,
    ),
    Check(
        name="running_jobs_without_attempt",
        title="jobs that run without an attempt",
        find=running_jobs_without_attempt,
    ),
    Check(
        name="counters_behind_their_rows",
        title="owners whose change counter is behind their rows",
        find=counters_behind_their_rows,
        fix=raise_counter,
    ),
    Check(
        name="wrong_library_totals",
        title="owners whose kept sums are not those of their Library",
        find=lambda: _pks(counters_with_wrong_totals()),
        fix=recount,
    ),
    Check(
        name="leftover_previews",
        title="previews of jobs that do not run",
        find=leftover_previews,
        fix=delete_preview,
    ),
    Check(
        name="leftover_uploads",
        title="uploads over a day old that no slot took, of jobs that do not run",
        find=leftover_uploads,
        fix=delete_upload,
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
        title="stored files over a day old that no row names",
        find=stored_files.files_without_row,
        fix=stored_files.delete_file_without_row,
    ),
)
