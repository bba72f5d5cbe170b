"""Jobs that no worker can be given: set aside as failed with the reason, and the next one gets its turn."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import Q, prefetch_related_objects

from generation.catalog.job_types import JOB_TYPES
from generation.changes import writes
from generation.core import audit_log, isolation
from generation.core.actors import SYSTEM
from generation.core.clock import from_now
from generation.jobs.finish import ASSET_END, Reason, end, final_status
from generation.models import AssetStatus, Job, JobStatus, Outcome

# How long a job stays out of the queue that cannot even be ended.
HELD_BACK_SECONDS = 600
UNCLAIMABLE = Reason("unleasable", "The job's record is inconsistent, so that no worker could be given it.")
NO_SLOTS = Reason("unleasable", "The job has nothing left to make.")
UNKNOWN_TYPE = Reason("unknown_job_type", "This version does not know the job's type.")
WRONG_PARAMETERS = Reason("bad_parameters", "The job's parameters cannot be used.")
REFERENCE_MISSING = Reason("reference_missing", "A reference image of the job is not there any more.")


def unusable_because(job: Job) -> Reason | None:
    """Why a worker could make nothing of the job that was just claimed; None if it can."""
    job_type = JOB_TYPES.get(job.job_type)
    if job_type is None:
        return UNKNOWN_TYPE
    if not job.open_slots:
        return NO_SLOTS
    expected = job_type.parameters(job_type.default_aspect)
    if not _is_like(job.parameters, expected):
        return WRONG_PARAMETERS
    prefetch_related_objects([job] if job.has_references else [], "references__reference")
    return _reference_fault(job)


def _is_like(parameters: Any, expected: Mapping[str, object]) -> bool:
    """Whether they have what every worker reads, each as the kind that it is."""
    if not isinstance(parameters, dict):
        return False
    kinds: dict[type, tuple[type, ...]] = {float: (int, float)}
    return (
        all(
            type(parameters.get(name)) in kinds.get(type(value), (type(value),))
            for name, value in expected.items()
            if name in parameters or name in ("width", "height", "steps", "guidance")
        )
        and min(parameters["width"], parameters["height"], parameters["steps"]) > 0
    )


def _reference_fault(job: Job) -> Reason | None:
    used = job.sorted_references
    if job.type.pool((each.type for each in used), job.model) != job.pool:
        return REFERENCE_MISSING
    for each in used:
        file = each.reference.file if each.reference else None
        if not (file and file.name) or _is_gone(file.storage, file.name):
            return REFERENCE_MISSING
    return None


def _is_gone(storage: Storage, name: str) -> bool:
    """Whether the file alone is not there. Without its folder too, the disk may be away."""
    return not storage.exists(name) and storage.exists(str(PurePosixPath(name).parent))


def set_aside(job_id: uuid.UUID, reason: Reason, *, lease_token: uuid.UUID | None = None) -> None:
    """End the waiting job, or the one held with `lease_token`, as failed; its completed slots stay.

    One that cannot even be ended is kept out of the queue for a while.
    """
    try:
        _end(job_id, reason, lease_token)
    except Exception as error:
        if not isolation.concerns_the_row(error):
            raise
        isolation.log_failure("job.cannot_be_set_aside", error, job=str(job_id))
        held_back = from_now(HELD_BACK_SECONDS)
        Job.objects.filter(pk=job_id, status=JobStatus.QUEUED).update(retry_at=held_back)


@transaction.atomic
def _end(job_id: uuid.UUID, reason: Reason, lease_token: uuid.UUID | None) -> None:
    held = Q(status=JobStatus.QUEUED) | Q(status=JobStatus.PROCESSING, lease_token=lease_token)
    job = writes.lock(Job.objects.filter(held, pk=job_id), skip_locked=True)
    if job is None:
        return
    assets = writes.lock_assets(job)
    still_open = [asset for asset in assets if asset.status == AssetStatus.QUEUED]
    for asset in still_open:
        asset.status = AssetStatus.FAILED
        asset.error_code, asset.error_message = reason.code, reason.message
    status = final_status(asset.status for asset in assets) if assets else JobStatus.FAILED
    error = {"error_code": reason.code, "error_message": reason.message} if still_open or not assets else {}
    end(job, assets, status=status, changed=still_open, fields=ASSET_END, lease_token=None, **error)
    writes.end_attempt(job, Outcome.RELEASED, error_message=reason.message)
    ids = {"job": str(job.pk), "code": reason.code, "status": status.value}
    audit_log.after_commit("job.set_aside", actor=SYSTEM, **ids)
