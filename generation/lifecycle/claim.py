"""Taking the best waiting job off the queue: few statements, each built once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from generation import events, trace
from generation.clock import Now, from_now
from generation.lifecycle import prepared, revisions
from generation.lifecycle.prepared import Statement
from generation.lifecycle.rows import StateChanged
from generation.models import Attempt, Job, JobStatus, Worker

# One probe of the claim index for the head of each offered pool; the best head's pool gives its first job
# that nobody else is taking. VALUES, because ten subqueries, as the ORM writes them, take 2 ms to plan.
PICK = """
    SELECT id, owner_id FROM generation_job WHERE status = 'queued' AND retry_at IS NULL AND pool = (
        SELECT head.pool FROM (VALUES {offered}) AS offered
        JOIN generation_job AS head ON head.id = (
            SELECT id FROM generation_job
            WHERE status = 'queued' AND retry_at IS NULL AND pool = offered.column1
            ORDER BY priority DESC, fair_tag, id LIMIT 1
        )
        ORDER BY head.priority DESC, head.fair_tag, head.id LIMIT 1
    )
    ORDER BY priority DESC, fair_tag, id LIMIT 1 {lock}
"""


def claim(*, worker: Worker, pools: Sequence[str]) -> Job | None:
    """The best waiting job of these pools, now held by the worker; None when there is none."""
    if not pools:
        return None
    if job := _claim_from(worker, pools):
        return job
    if not Job.objects.claimable().filter(pool__in=pools).exists():
        return None
    # The best pool's last jobs are just being taken by others; each other pool may still have one.
    return next((job for pool in pools if (job := _claim_from(worker, [pool]))), None)


@transaction.atomic
def _claim_from(worker: Worker, pools: Sequence[str]) -> Job | None:
    picked = prepared.run((_pick(connection.vendor, len(pools)), pools))
    if not picked:
        return None
    [(job_id, owner_id)] = picked
    job = _hold(worker, job_id, next(revisions.take(owner_id=owner_id, count=1)))
    attempt = {
        "job_id": job.pk,
        "number": job.attempt,
        "worker_id": worker.pk,
        "lease_token": job.lease_token,
    }
    prepared.run(_noting(connection.vendor), **attempt)
    events.changed(owner_id=owner_id, revision=job.revision, job_ids=[job.pk])
    trace.after_commit("job.leased", job=str(job.pk), attempt=job.attempt, worker=str(worker.pk))
    return job


def _hold(worker: Worker, job_id: object, revision: int) -> Job:
    statement = _holding(connection.vendor, settings.LEASE_SECONDS)
    lease = {"lease_token": uuid.uuid4(), "leased_by_id": worker.pk, "revision": revision}
    for job in Job.objects.raw(*prepared.bind(statement, id=job_id, **lease)):
        return job
    raise StateChanged


@lru_cache
def _pick(vendor: str, pools: int) -> str:
    locks = connection.features.has_select_for_update_skip_locked
    lock = connection.ops.for_update_sql(skip_locked=True) if locks else ""
    return PICK.format(offered=", ".join(["(%s)"] * pools), lock=lock)


@lru_cache
def _holding(vendor: str, lease_seconds: int) -> Statement:
    given = prepared.given(Job, "id", "lease_token", "leased_by_id", "revision")
    sql, params = prepared.update(
        Job.objects.claimable().filter(pk=given.pop("id")),
        status=JobStatus.PROCESSING,
        lease_expires_at=from_now(lease_seconds),
        attempt=F("attempt") + 1,
        attempts_left=F("attempts_left") - 1,
        started_at=Coalesce("started_at", Now()),
        progress=0,
        stage="",
        **given,
    )
    return f"{sql} RETURNING *", params


@lru_cache
def _noting(vendor: str) -> Statement:
    given = prepared.given(Attempt, "job_id", "number", "worker_id", "lease_token")
    return prepared.insert(Attempt(leased_at=Now(), **given))
