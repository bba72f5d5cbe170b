"""An owner's actions on jobs: cancel, retry what did not complete, clear from the Workspace; their undo."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, takewhile

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from generation.access import quotas
from generation.access.models import unavailable_because
from generation.assets import references
from generation.assets.actions import MAX_IDS, check_count
from generation.changes import publisher, revisions, writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now, from_now
from generation.core.errors import (
    ImportNotRetryable,
    JobNotFound,
    ModelNotRetryable,
    NotRetryable,
    SlotNotRetryable,
)
from generation.jobs.finish import ASSET_END, end, final_status
from generation.models import Asset, AssetStatus, Attempt, Job, JobStatus, Outcome
from generation.models.job import JobQuerySet
from generation.models.statuses import ACTIVE
from generation.queue import fairness
from generation.queue.elsewhere import elsewhere_until

# Of one job that its owner retries again and again.
MAX_KEPT_ATTEMPTS = 100
# How long a cancel can be undone.
UNDO_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What became of a job: its status now.

    `undo` is the revision that the cancel gave a job that had not begun, for `undo_cancel`; else None.
    """

    status: JobStatus
    undo: int | None = None


@transaction.atomic
def cancel(*, owner_id: int, actor: Actor, job_id: uuid.UUID) -> Cancellation:
    """Stop the job: open slots are cancelled, completed ones stay. An ended job is not changed.

    The lease token stays on the row, so that its worker learns at the next heartbeat.

    Raises:
        JobNotFound: not the owner's.
    """
    job = writes.lock_owned(owner_id=owner_id, job_id=job_id)
    if job is None:
        raise JobNotFound
    if not job.is_active:
        return Cancellation(JobStatus(job.status))
    assets = writes.lock_assets(job)
    stopped = [asset for asset in assets if asset.status == AssetStatus.QUEUED]
    for asset in stopped:
        asset.status = AssetStatus.CANCELLED
    status = JobStatus.CANCELLED if stopped else final_status(asset.status for asset in assets)
    revision = end(job, assets, status=status, changed=stopped, fields=["status"])
    if job.status == JobStatus.PROCESSING:
        writes.end_attempt(job, Outcome.CANCELLED)
    ids = {"job": str(job.pk), "attempt": job.attempt}
    audit_log.after_commit("job.cancelled", actor=actor, slots=len(stopped), **ids)
    return Cancellation(status, undo=None if job.attempt else revision)


def cancel_all(*, owner_id: int, actor: Actor, limit: int = MAX_IDS) -> list[Cancellation]:
    """Cancel the owner's active jobs, each in a transaction of its own; those that ended."""
    active = Job.objects.of(owner_id).active().order_by("-id")
    job_ids = list(active.values_list("pk", flat=True)[:limit])
    cancelled = []
    for job_id in job_ids:
        with suppress(JobNotFound):  # it went with its owner's account meanwhile
            cancelled.append(cancel(owner_id=owner_id, actor=actor, job_id=job_id))
    return [each for each in cancelled if each.status not in ACTIVE]


def undo_cancel(*, owner_id: int, actor: Actor, revisions: Sequence[int]) -> int:
    """Put jobs that were cancelled before they had begun back into the queue; the number put back.

    A job counts if its revision is still the one that its cancel gave it, for UNDO_SECONDS. Each goes in a
    transaction of its own, in their order in the queue, as far as the owner's limits allow.

    Raises:
        OverLimit: none could be put back for the owner's limits.
    """
    check_count(revisions)
    undoable = _undoable(owner_id).filter(revision__in=revisions)
    in_order = undoable.order_by(F("priority").desc(), "fair_tag", "id").values_list("revision", flat=True)
    back = 0
    for revision in list(in_order):
        try:
            with suppress(NotRetryable):  # a reference image of it was removed
                back += _put_back(owner_id, actor, revision)
        except quotas.OverLimit:
            if not back:
                raise
            break
    return back


def _undoable(owner_id: int) -> JobQuerySet:
    since = from_now(-UNDO_SECONDS)
    return Job.objects.of(owner_id).filter(status=JobStatus.CANCELLED, attempt=0, finished_at__gt=since)


@transaction.atomic
def _put_back(owner_id: int, actor: Actor, revision: int) -> bool:
    """Its old place in the queue, unless the owner has queued other jobs before it since then."""
    job = writes.lock(_undoable(owner_id).filter(revision=revision))
    if job is None:
        return False
    references.require_references(job)
    again = _stopped_last(job, writes.lock_assets(job))
    if not again:
        return False
    for asset in again:
        asset.status = AssetStatus.QUEUED
    writes.write(job, changes=_requeued(job, again, tag=job.fair_tag), assets=again, fields=["status"])
    publisher.queued(engine=job.engine)
    audit_log.after_commit("job.cancel_undone", actor=actor, job=str(job.pk), slots=len(again))
    return True


def _stopped_last(job: Job, assets: Sequence[Asset]) -> list[Asset]:
    """The slots that the job's last cancel stopped: their revisions run up to the job's, without a gap."""
    at = {asset.revision: asset for asset in assets if asset.status == AssetStatus.CANCELLED}
    run = takewhile(at.__contains__, count(job.revision - 1, -1))
    return sorted((at[revision] for revision in run), key=lambda asset: asset.slot)


@transaction.atomic
def retry(*, owner_id: int, actor: Actor, job_id: uuid.UUID, slots: Collection[int] | None = None) -> None:
    """Queue the slots that did not complete again, all or the given ones, with fresh attempts.

    Completed slots are not touched; given slots of a job that waits already join the others, at their cost.

    Raises:
        JobNotFound: not the owner's.
        NotRetryable: the job runs or is completed, one of its reference images was removed, or its model is
            gone or has changed.
        SlotNotRetryable: a given slot is none of the job's, or neither failed nor cancelled.
        OverLimit: the owner has as much work waiting and running as is allowed.
    """
    job = writes.lock_owned(owner_id=owner_id, job_id=job_id)
    if job is None:
        raise JobNotFound
    joins_the_queued = job.status == JobStatus.QUEUED and slots is not None
    if job.is_import:
        raise ImportNotRetryable
    if not (job.can_retry or joins_the_queued):
        raise NotRetryable(job.status)
    assets = writes.lock_assets(job)
    again = _to_retry(assets, slots)
    waiting = sum(asset.status == AssetStatus.QUEUED for asset in assets)
    references.require_references(job)
    if reason := unavailable_because(job):
        raise ModelNotRetryable(f"{reason} Its settings can be used again in the form.")
    for asset in again:
        asset.status, asset.error_code, asset.error_message = AssetStatus.QUEUED, "", ""
    changes: dict[str, object] = {"attempts_left": settings.MAX_ATTEMPTS, "forgiven_leases": 0}
    if joins_the_queued:
        # As far back as if all had been retried at once: else five of six would cost its owner no turn.
        more = job.type.estimate(waiting + len(again)) - job.type.estimate(waiting)
        changes["fair_tag"] = job.fair_tag + more
    else:
        changes |= _requeued(job, again) | {"deadline_at": None}  # that was the first try's
    writes.write(job, changes=changes, assets=again, fields=ASSET_END)
    publisher.queued(engine=job.engine)
    ids = {"job": str(job.pk), "attempt": job.attempt}
    audit_log.after_commit("job.retried", actor=actor, slots=len(again), **ids)


def _to_retry(assets: Sequence[Asset], slots: Collection[int] | None) -> list[Asset]:
    ended = [asset for asset in assets if asset.status in (AssetStatus.FAILED, AssetStatus.CANCELLED)]
    if slots is None:
        return ended
    again = [asset for asset in ended if asset.slot in slots]
    if not again or len(again) != len(set(slots)):
        raise SlotNotRetryable
    return again


def _requeued(job: Job, again: Sequence[Asset], *, tag: int = 0) -> dict[str, object]:
    """The changes that put an ended job back at its owner's turn, not before `tag`. Raises OverLimit."""
    revisions.hold(owner_id=job.owner_id)
    quotas.check(job.owner_id)
    if job.attempt > MAX_KEPT_ATTEMPTS:
        older = Attempt.objects.filter(job=job).order_by("-number").values("pk")[MAX_KEPT_ATTEMPTS:]
        Attempt.objects.filter(pk__in=older).delete()
    return writes.requeued(
        delay_seconds=0,
        elsewhere_until=elsewhere_until(job) if job.status != JobStatus.CANCELLED else None,
        fair_tag=max(tag, fairness.start_tag(job, cost=job.type.estimate(len(again)))),
        lease_token=None,
        finished_at=None,
        cleared_at=None,
        error_code="",
        error_message="",
    )


@transaction.atomic
def clear(*, owner_id: int, actor: Actor, job_ids: Sequence[uuid.UUID]) -> list[int]:
    """Clear those of the jobs that are finished from the Workspace.

    Returns the revisions that it gave them, for `undo_clear`.

    Active jobs and those with results under review stay. Nothing leaves the Library.
    """
    check_count(job_ids)
    finished = Job.objects.of(owner_id).finished().filter(pk__in=job_ids)
    waiting = Asset.objects.under_review().filter(job=OuterRef("pk"))
    jobs = list(finished.exclude(Exists(waiting)).select_for_update().order_by("id"))
    # Checked again under the locks: a result may have been restored while waiting for them.
    to_review = Asset.objects.under_review().filter(job__in=jobs)
    restored = set(to_review.values_list("job_id", flat=True))
    jobs = [job for job in jobs if job.pk not in restored]
    writes.write_each(owner_id, jobs, cleared_at=Now())
    for job in jobs:
        audit_log.after_commit("job.cleared", actor=actor, job=str(job.pk))
    return [job.revision for job in jobs]


@transaction.atomic
def undo_clear(*, owner_id: int, actor: Actor, revisions: Sequence[int]) -> int:
    """Bring jobs back to the Workspace that have not changed since `clear`; the number brought back."""
    check_count(revisions)
    cleared = Job.objects.of(owner_id).filter(revision__in=revisions, cleared_at__isnull=False)
    jobs = list(cleared.select_for_update().order_by("id"))
    writes.write_each(owner_id, jobs, cleared_at=None)
    for job in jobs:
        audit_log.after_commit("job.clear_undone", actor=actor, job=str(job.pk))
    return len(jobs)
