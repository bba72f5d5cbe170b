"""The transactional outbox: events for later readers such as webhooks, written with the change itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from generation.core.clock import Now
from generation.models import Asset, AssetStatus, EventKind, Job, JobStatus, OutboxEvent


def job_ended(job: Job, assets: Iterable[Asset], *, status: JobStatus, revision: int) -> None:
    """Record that the job ended with `status` and these slots, in the write that took `revision`.

    `seconds` is the run time of its last lease, 0 without one; attempts keep the earlier ones.
    """
    slots = Counter(asset.status for asset in assets)
    payload = {
        "status": status.value,
        "job_type": job.job_type,
        "completed": slots[AssetStatus.COMPLETED],
        "failed": slots[AssetStatus.FAILED],
        "cancelled": slots[AssetStatus.CANCELLED],
        "seconds": round(job.lease_seconds, 3),
        "attempt": job.attempt,
    }
    OutboxEvent.objects.create(
        kind=EventKind.JOB_ENDED,
        owner_id=job.owner_id,
        revision=revision,
        job_id=job.pk,
        payload=payload,
        created_at=Now(),
    )
