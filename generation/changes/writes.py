"""Row locks and guarded writes of a job and its assets, shared by every transition."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import OuterRef, Subquery

from generation.changes import memberships, project_totals, publisher, revisions, search_entries
from generation.changes.library_totals import totals_of
from generation.changes.project_totals import totals_by_project
from generation.core import bulk_update
from generation.core.clock import Now, from_now
from generation.models import Asset, Attempt, Job, JobStatus, Outcome, OwnerCounter
from generation.models.job import JobQuerySet


class StateChanged(RuntimeError):
    """A guarded update matched nothing although its rows were locked: a defect, so the transaction fails."""


def lock(jobs: JobQuerySet, *, skip_locked: bool = False) -> Job | None:
    """Lock and return the one job of this queryset; `leased_at` and `locked_at` give its lease's run time."""
    lease = Attempt.objects.filter(job=OuterRef("pk"), ended_at=None).values("leased_at")
    times = {"leased_at": Subquery(lease), "locked_at": Now()}
    return jobs.annotate(**times).select_for_update(skip_locked=skip_locked).first()


def lock_assets(job: Job) -> list[Asset]:
    """The job's assets by id, locked. The job must be locked already."""
    return list(Asset.objects.select_for_update().filter(job=job).order_by("id"))


def write(
    job: Job, *, changes: dict[str, object], assets: Sequence[Asset] = (), fields: Sequence[str] = ()
) -> int:
    """Write the job's `changes` and the assets' `fields` with new revisions, and publish after commit.

    Returns the job's new revision.

    The job is guarded by the status and lease token it was locked with; asset fields are taken from
    the instances.
    """
    # A transition changes slots that were open until now, so none of them was in the Library.
    saved = totals_of(assets)
    revision = revisions.take(owner_id=job.owner_id, count=len(assets) + 1, library=saved)
    project_totals.add(after=totals_by_project(assets), before={})
    for asset in assets:
        asset.revision = next(revision)
    last = next(revision)
    if assets and bulk_update.update_each(assets, [*fields, "revision"]) != len(assets):
        raise StateChanged
    guarded = Job.objects.filter(pk=job.pk, status=job.status, lease_token=job.lease_token)
    if not guarded.update(**changes, revision=last):
        raise StateChanged
    publisher.changed(owner_id=job.owner_id, revision=last, job_ids=[job.pk])
    return last


def write_each(owner_id: int, rows: Sequence[Asset] | Sequence[Job], **change: object) -> None:
    """Write `change` to each of the locked rows with a new revision, and publish after commit."""
    write_rows(owner_id, rows, [change] * len(rows))


def write_rows(
    owner_id: int, rows: Sequence[Asset] | Sequence[Job], changes: Sequence[Mapping[str, object]]
) -> None:
    """As `write_each`, with values for each row; all of the same fields."""
    if not rows:
        return
    assets = [row for row in rows if isinstance(row, Asset)]
    before, before_by_project = totals_of(assets), totals_by_project(assets)
    for row, change in zip(rows, changes, strict=True):
        for name, value in change.items():
            setattr(row, name, value)
    library = totals_of(assets) - before
    revision = revisions.take(owner_id=owner_id, count=len(rows), library=library)
    for row in rows:
        row.revision = next(revision)
    if bulk_update.update_each(rows, ["revision", *changes[0]]) != len(rows):
        raise StateChanged
    project_totals.add(after=totals_by_project(assets), before=before_by_project)
    if "trashed_at" in changes[0]:
        memberships.follow_trash(assets)
    if assets and not {"trashed_at", "saved_at"}.isdisjoint(changes[0]):
        search_entries.follow(assets)
    job_ids = {row.pk if isinstance(row, Job) else row.job_id for row in rows}
    publisher.changed(owner_id=owner_id, revision=rows[-1].revision, job_ids=job_ids)


def announce(owner_id: int) -> None:
    """Take a revision for what is no job and no asset, such as a collection's name, and publish it.

    Open pages then ask again. Locks the owner's counter until the transaction ends.
    """
    revision = next(revisions.take(owner_id=owner_id, count=1))
    publisher.changed(owner_id=owner_id, revision=revision, job_ids=[])


def write_tags(owner_id: int, jobs: Sequence[Job], **change: object) -> None:
    """As `write_each`, with the `fair_tag` that each of the jobs carries already."""
    if jobs:
        bulk_update.update_each(jobs, ["fair_tag"])
    write_each(owner_id, jobs, **change)


def end_attempt(job: Job, outcome: Outcome, **reported: object) -> None:
    """Close the running attempt of the job, if one runs."""
    Attempt.objects.filter(job=job, ended_at=None).update(ended_at=Now(), outcome=outcome, **reported)


def requeued(*, delay_seconds: float, **more: object) -> dict[str, object]:
    """The changes that put a job back into the queue, at once or after a delay."""
    return {
        "status": JobStatus.QUEUED,
        "retry_at": from_now(delay_seconds) if delay_seconds else None,
        # In the UPDATE itself, which has locked the counter: a pause or its end is before it or after it.
        "held_at": Subquery(OwnerCounter.objects.filter(pk=OuterRef("owner_id")).values("queue_paused_at")),
        "elsewhere_until": None,
        "lease_expires_at": None,
        "progress": 0,
        "stage": "",
        "current_slot": None,
    } | more


def backoff_seconds(job: Job) -> float:
    """The delay before the next attempt: doubles with each attempt used, at most five minutes."""
    used = max(1, settings.MAX_ATTEMPTS - job.attempts_left)
    return float(min(settings.RETRY_BACKOFF_SECONDS * 2 ** (used - 1), 300))


def lock_owned(*, owner_id: int, job_id: uuid.UUID) -> Job | None:
    """Lock and return the owner's job, or None."""
    return lock(Job.objects.of(owner_id).filter(pk=job_id))
