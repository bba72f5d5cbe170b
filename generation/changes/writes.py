"""Locking a job with its assets, and writing what changed: the mechanics that every transition shares."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.conf import settings

from generation.catalog.job_types import Media
from generation.changes import publisher, revisions
from generation.changes.library_totals import totals_of
from generation.core import bulk_update
from generation.core.clock import Now, from_now
from generation.models import Asset, Attempt, Image, Job, JobStatus, Outcome, Video


class StateChanged(RuntimeError):
    """A guarded update matched nothing although its rows were locked: a defect, so the transaction fails."""


def asset_model(media: str) -> type[Asset]:
    return Video if media == Media.VIDEO else Image


def lock_assets(job: Job) -> list[Asset]:
    """The job's assets by id, locked. The job must be locked already."""
    model = asset_model(job.media)
    return list(model.objects.select_for_update().filter(job=job).order_by("id"))


def write(
    job: Job, *, changes: dict[str, object], assets: Sequence[Asset] = (), fields: Sequence[str] = ()
) -> None:
    """Write the job's `changes` and the assets' `fields`, stamp each row's revision, publish after commit.

    The job is guarded by the status and lease token it was locked with; asset fields are taken from
    the instances.
    """
    # What a job's transition changes were open slots until now, so nothing of it was in the Library.
    saved = totals_of(assets)
    revision = revisions.take(owner_id=job.owner_id, count=len(assets) + 1, library=saved)
    for asset in assets:
        asset.revision = next(revision)
    last = next(revision)
    if assets and bulk_update.update_each(assets, [*fields, "revision"]) != len(assets):
        raise StateChanged
    guarded = Job.objects.filter(pk=job.pk, status=job.status, lease_token=job.lease_token)
    if not guarded.update(**changes, revision=last):
        raise StateChanged
    publisher.changed(owner_id=job.owner_id, revision=last, job_ids=[job.pk])


def end_attempt(job: Job, outcome: Outcome, **reported: object) -> None:
    """Close the running attempt of the job, if one runs."""
    Attempt.objects.filter(job=job, ended_at=None).update(ended_at=Now(), outcome=outcome, **reported)


def requeued(*, delay_seconds: float, **more: object) -> dict[str, object]:
    """The changes that put a job back into the queue, at once or after a delay."""
    return {
        "status": JobStatus.QUEUED,
        "retry_at": from_now(delay_seconds) if delay_seconds else None,
        "lease_expires_at": None,
        "progress": 0,
        "stage": "",
        "current_slot": None,
    } | more


def ended(status: JobStatus, **more: object) -> dict[str, object]:
    """The changes that end a job."""
    return {"status": status, "lease_expires_at": None, "retry_at": None, "finished_at": Now()} | more


def backoff_seconds(job: Job) -> float:
    """The wait before the next attempt: doubling with each attempt used up, at most five minutes."""
    used = max(1, settings.MAX_ATTEMPTS - job.attempts_left)
    return float(min(settings.RETRY_BACKOFF_SECONDS * 2 ** (used - 1), 300))


def find_owned(*, owner_id: int, job_id: uuid.UUID) -> Job | None:
    """The owner's job, locked."""
    return Job.objects.select_for_update().of(owner_id).filter(pk=job_id).first()
