"""What an owner does to a job: cancel it, or retry what did not complete."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import transaction

from generation.access import quotas
from generation.assets import references
from generation.assets.actions import MOST_IDS
from generation.changes import publisher, revisions, writes
from generation.core import audit_log
from generation.core.errors import JobNotFound, NotRetryable
from generation.jobs.finish import ASSET_END, final_status
from generation.models import AssetStatus, Job, JobStatus, Outcome
from generation.models.statuses import ACTIVE
from generation.queue import fairness


@transaction.atomic
def cancel(*, owner_id: int, job_id: uuid.UUID) -> Job:
    """Stop the job: open slots are cancelled, completed ones stay. A job that has ended is left alone.

    The lease token stays on the row, so that its worker learns at the next heartbeat.

    Raises:
        JobNotFound: not the owner's.
    """
    job = writes.find_owned(owner_id=owner_id, job_id=job_id)
    if job is None:
        raise JobNotFound
    if not job.is_active:
        return job
    assets = writes.lock_assets(job)
    stopped = [asset for asset in assets if asset.status == AssetStatus.QUEUED]
    for asset in stopped:
        asset.status = AssetStatus.CANCELLED
    status = JobStatus.CANCELLED if stopped else final_status(asset.status for asset in assets)
    writes.write(job, changes=writes.ended(status), assets=stopped, fields=["status"])
    writes.end_attempt(job, Outcome.CANCELLED)
    audit_log.after_commit("job.cancelled", job=str(job.pk), attempt=job.attempt, slots=len(stopped))
    job.refresh_from_db()
    return job


def cancel_all(*, owner_id: int, limit: int = MOST_IDS) -> int:
    """Cancel the owner's active jobs, each in a transaction of its own; the number cancelled."""
    active = Job.objects.of(owner_id).filter(status__in=ACTIVE).order_by("-id")
    job_ids = list(active.values_list("pk", flat=True)[:limit])
    return sum(not cancel(owner_id=owner_id, job_id=job_id).is_active for job_id in job_ids)


@transaction.atomic
def retry(*, owner_id: int, job_id: uuid.UUID) -> Job:
    """Queue the slots that did not complete again, with fresh attempts; completed slots are not touched.

    Raises:
        JobNotFound: not the owner's.
        NotRetryable: the job is active or completed, or a picture that it goes by was removed.
        OverLimit: the owner has as much work waiting and running as is allowed.
    """
    job = writes.find_owned(owner_id=owner_id, job_id=job_id)
    if job is None:
        raise JobNotFound
    if not job.can_retry:
        raise NotRetryable(job.status)
    again = [asset for asset in writes.lock_assets(job) if asset.status != AssetStatus.COMPLETED]
    revisions.hold(owner_id=owner_id)
    quotas.check(owner_id)
    references.require_references(job)
    for asset in again:
        asset.status, asset.error_code, asset.error_message = AssetStatus.QUEUED, "", ""
    changes = writes.requeued(
        delay_seconds=0,
        attempts_left=settings.MAX_ATTEMPTS,
        fair_tag=fairness.start_tag(job, cost=job.type.estimate(len(again))),
        lease_token=None,
        finished_at=None,
        cleared_at=None,
        error_code="",
        error_message="",
    )
    writes.write(job, changes=changes, assets=again, fields=ASSET_END)
    publisher.queued(engine=job.engine)
    audit_log.after_commit("job.retried", job=str(job.pk), attempt=job.attempt, slots=len(again))
    job.refresh_from_db()
    return job
