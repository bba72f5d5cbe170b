"""The statuses of jobs and assets."""

from __future__ import annotations

from django.db import models


class JobStatus(models.TextChoices):
    """A job's status. The last four are final, except that a user may retry the job."""

    QUEUED = "queued", "Queued"  # waits for a worker
    PROCESSING = "processing", "Processing"  # a worker holds its lease
    COMPLETED = "completed", "Completed"  # every slot completed
    PARTIAL = "partial", "Partly completed"  # some slots completed, the rest did not
    FAILED = "failed", "Failed"  # no slot completed
    CANCELLED = "cancelled", "Cancelled"  # its owner stopped it; completed slots stay


ACTIVE = (JobStatus.QUEUED, JobStatus.PROCESSING)
UNSUCCESSFUL = (JobStatus.FAILED, JobStatus.CANCELLED)  # a cancelled one may have results nevertheless
RETRYABLE = (JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELLED)


class AssetStatus(models.TextChoices):
    """An asset's status."""

    QUEUED = "queued", "Queued"  # no result yet
    COMPLETED = "completed", "Completed"  # has its file; never changes back
    FAILED = "failed", "Failed"  # its last error says why
    CANCELLED = "cancelled", "Cancelled"  # stopped before it had a result
