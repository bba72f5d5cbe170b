"""Deleting jobs that ended without a result: failed or cancelled before any slot completed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from generation.changes.purge import purge
from generation.core import audit_log
from generation.core.actors import SYSTEM
from generation.jobs.deletion import delete_jobs
from generation.models import Asset, Job
from generation.models.job import JobQuerySet
from generation.models.statuses import UNSUCCESSFUL

BATCH = 200


def jobs_without_result(owner_id: int) -> JobQuerySet:
    """The owner's; whatever completed, be it in the trash, keeps its job."""
    results = Asset.objects.completed().filter(job=OuterRef("pk"))
    return Job.objects.of(owner_id).filter(~Exists(results), status__in=UNSUCCESSFUL)


@transaction.atomic
def delete_some(owner_id: int, *, before: datetime, keep: int, limit: int = BATCH) -> int:
    """Delete up to `limit` that ended before `before`, or before the newest `keep`; returns their number.

    Jobs that are retried at this moment are passed over.
    """
    jobs = jobs_without_result(owner_id)
    newest_first = jobs.order_by("-finished_at", "-id").values_list("finished_at", flat=True)
    overdue = Q(finished_at__lt=before)
    if surplus := list(newest_first[keep : keep + 1]):
        overdue |= Q(finished_at__lte=surplus[0])
    some = list(jobs.filter(overdue).order_by("finished_at", "id").values_list("pk", flat=True)[:limit])
    locked = jobs.filter(overdue, pk__in=some).select_for_update(skip_locked=True, of=("self",))
    job_ids = list(locked.order_by("id").values_list("pk", flat=True))
    purge(owner_id, list(Asset.objects.select_for_update().filter(job__in=job_ids).order_by("id")))
    delete_jobs(job_ids)
    if job_ids:
        audit_log.after_commit("jobs.deleted", actor=SYSTEM, owner=owner_id, jobs=len(job_ids))
    return len(job_ids)
