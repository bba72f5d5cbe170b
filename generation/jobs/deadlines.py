"""Jobs that are wanted only by a deadline: one that still waits then is cancelled, and no worker gets it."""

from __future__ import annotations

import uuid

from django.db import transaction

from generation.changes import writes
from generation.core import audit_log, isolation
from generation.core.actors import SYSTEM
from generation.core.clock import Now
from generation.jobs.finish import ASSET_END, Reason, end, final_status
from generation.models import AssetStatus, Job, JobStatus
from generation.models.job import JobQuerySet

DEADLINE_PASSED = Reason("deadline_passed", "It was still waiting at its deadline.")


def cancel_late(limit: int = 200) -> int:
    """Cancel waiting jobs whose deadline has passed; the number of jobs. A chore."""
    late = _late().order_by("deadline_at", "id").values_list("pk", flat=True)
    return isolation.each(list(late[:limit]), cancel_if_late)


@transaction.atomic
def cancel_if_late(job_id: uuid.UUID) -> int:
    """Cancel the job, if it waits and its deadline has passed; its completed slots stay."""
    job = writes.lock(_late().filter(pk=job_id), skip_locked=True)
    if job is None:
        return 0
    assets = writes.lock_assets(job)
    stopped = [asset for asset in assets if asset.status == AssetStatus.QUEUED]
    for asset in stopped:
        asset.status = AssetStatus.CANCELLED
        asset.error_code, asset.error_message = DEADLINE_PASSED.code, DEADLINE_PASSED.message
    status = JobStatus.CANCELLED if stopped else final_status(asset.status for asset in assets)
    error = {"error_code": DEADLINE_PASSED.code, "error_message": DEADLINE_PASSED.message} if stopped else {}
    end(job, assets, status=status, changed=stopped, fields=ASSET_END, **error)
    audit_log.after_commit("job.too_late", actor=SYSTEM, job=str(job.pk), slots=len(stopped))
    return 1


def _late() -> JobQuerySet:
    return Job.objects.filter(status=JobStatus.QUEUED, deadline_at__lte=Now())
