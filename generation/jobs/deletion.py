"""Deleting ended jobs with every row that refers to them, and their files."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from generation.assets import file_deletions
from generation.media import storage
from generation.models import Asset, Attempt, Job, JobReference, Preview, Upload

WITH_FILES = (Upload, Asset)


def delete_jobs(job_ids: Sequence[uuid.UUID]) -> None:
    """Delete these locked jobs in the caller's transaction; their files go after its commit."""
    names: set[str] = set()
    for model in (JobReference, Preview, Attempt, *WITH_FILES):
        rows: QuerySet[Any] = model._default_manager.filter(job__in=job_ids)
        if model in WITH_FILES:
            stored = rows.only("file", "thumbnail", "small_thumbnail")
            names.update(name for row in stored for name in storage.file_names(row))
        rows.delete()
    Job.objects.filter(pk__in=job_ids).delete()
    file_deletions.delete_after_commit(sorted(names))
    storage.delete_empty_after_commit([str(job_id) for job_id in job_ids])
