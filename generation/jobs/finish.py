"""Finishing or requeueing a job whose lease ended: another attempt, or its final state."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from generation.changes import outbox, publisher, writes
from generation.core import audit_log
from generation.core.actors import SYSTEM, Actor
from generation.core.clock import Now
from generation.models import Asset, AssetStatus, Job, JobStatus
from generation.queue.elsewhere import elsewhere_until

ASSET_END = ("status", "error_code", "error_message")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why slots are left open: a code for programs, a message for people."""

    code: str
    message: str


NOT_DELIVERED = Reason("not_delivered", "The job ended without this result.")


def final_status(statuses: Iterable[str]) -> JobStatus:
    """A job's final state, from its assets' alone."""
    completed = [status == AssetStatus.COMPLETED for status in statuses]
    if all(completed):
        return JobStatus.COMPLETED
    return JobStatus.PARTIAL if any(completed) else JobStatus.FAILED


def finish_or_requeue(
    job: Job,
    assets: Sequence[Asset],
    *,
    actor: Actor,
    reason: Reason,
    touched: Sequence[Asset] = (),
    fields: Sequence[str] = (),
    changes: dict[str, object] | None = None,
    delay_seconds: float | None = None,
) -> JobStatus:
    """Queue the job again while slots are open and attempts are left, else end it.

    Without `delay_seconds` the last attempt failed: the next one waits longer each time, and is kept for
    another worker that offers the pool, if one is live.

    `touched` assets already carry new values in `fields`, which are written along; `changes` are the
    caller's own for the job. Slots left open at the end fail with their last error, else with `reason`.
    """
    changes = changes or {}
    still_open = [asset for asset in assets if asset.status == AssetStatus.QUEUED]
    if still_open and job.attempts_left > 0:
        delay = writes.backoff_seconds(job) if delay_seconds is None else delay_seconds
        kept_until = elsewhere_until(job, delay_seconds=delay) if delay_seconds is None else None
        changes = writes.requeued(delay_seconds=delay, elsewhere_until=kept_until) | changes
        writes.write(job, changes=changes, assets=touched, fields=fields)
        ids = {"job": str(job.pk), "attempt": job.attempt}
        audit_log.after_commit("job.requeued", actor=actor, slots=len(still_open), **ids)
        if not delay:
            publisher.queued(engine=job.engine)
        return JobStatus.QUEUED
    fail(still_open, reason)
    status = final_status(asset.status for asset in assets)
    changed = [asset for asset in assets if asset in touched or asset in still_open]
    first_error = next((a for a in assets if a.status == AssetStatus.FAILED), None)
    error = {
        "error_code": first_error.error_code if first_error else "",
        "error_message": first_error.error_message if first_error else "",
    }
    end(job, assets, status=status, changed=changed, fields=tuple({*fields, *ASSET_END}), **error | changes)
    audit_log.after_commit(
        "job.ended", actor=actor, job=str(job.pk), attempt=job.attempt, status=status.value
    )
    return status


def end(
    job: Job,
    assets: Sequence[Asset],
    *,
    status: JobStatus,
    changed: Sequence[Asset],
    fields: Sequence[str],
    **more: object,
) -> int:
    """Bring the job to its final `status` and put that into the outbox: the only way for a job to end.

    Returns the job's new revision.

    `changed` are those of its assets that carry new values in `fields`; `more` is for the job.
    """
    ended: dict[str, object] = {"status": status, "finished_at": Now()}
    ended |= {"lease_expires_at": None, "retry_at": None, "held_at": None}
    revision = writes.write(job, changes=ended | more, assets=changed, fields=fields)
    outbox.job_ended(job, assets, status=status, revision=revision)
    return revision


def fail(assets: Iterable[Asset], reason: Reason) -> None:
    """Mark open slots failed (unsaved), keeping the last error a worker gave."""
    for asset in assets:
        asset.status = AssetStatus.FAILED
        asset.error_code = asset.error_code or reason.code
        asset.error_message = asset.error_message or reason.message


@transaction.atomic
def set_status_from_slots(job_id: uuid.UUID) -> None:
    """Close the open slots of an ended job; set the status of a job without open slots from its slots."""
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
    # Purged slots count too: only completed ones can be discarded.
    purged = [AssetStatus.COMPLETED] * (job.quantity - len(assets))
    statuses = [*(asset.status for asset in assets), *purged]
    was_cancelled = job.status == JobStatus.CANCELLED and AssetStatus.CANCELLED in statuses
    status = JobStatus.CANCELLED if was_cancelled else final_status(statuses)
    if job.is_active:
        end(job, assets, status=status, changed=still_open, fields=ASSET_END)
    else:
        writes.write(job, changes={"status": status}, assets=still_open, fields=ASSET_END)
    audit_log.after_commit(
        "job.made_consistent", actor=SYSTEM, job=str(job.pk), slots=len(still_open), status=status.value
    )
