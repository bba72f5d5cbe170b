"""Taking the best waiting job off the queue: few statements, each built once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from generation.changes import publisher, revisions
from generation.changes.writes import StateChanged
from generation.core import audit_log, prepared
from generation.core.actors import worker_actor
from generation.core.clock import Now, from_now
from generation.core.prepared import Statement
from generation.models import Asset, AssetStatus, Attempt, Job, JobStatus, Worker

# One probe of the claim index for the head of each offered pool; the best head's pool gives its first job
# that nobody else is taking. VALUES, because ten subqueries, as the ORM writes them, take 2 ms to plan.
# Its constants are literals, so that PostgreSQL plans it once. The last column saves a statement of its own.
PICK = """
    SELECT id, owner_id,
        EXISTS (SELECT 1 FROM generation_job WHERE status = 'queued' AND retry_at <= {now})
        OR EXISTS (SELECT 1 FROM generation_job WHERE status = 'processing' AND lease_expires_at < {now})
    FROM generation_job WHERE status = 'queued' AND retry_at IS NULL AND pool = (
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


class Claim(NamedTuple):
    """A job now held by the worker, `open_slots` set; `overdue` when other leases or delays have run out."""

    job: Job
    overdue: bool


def claim(*, worker: Worker, pools: Sequence[str]) -> Claim | None:
    """The best waiting job of these pools; None when there is none."""
    if not pools:
        return None
    if found := _claim_from(worker, pools):
        return found
    if not Job.objects.claimable().filter(pool__in=pools).exists():
        return None
    # The best pool's last jobs are just being taken by others; each other pool may still have one.
    return next((found for pool in pools if (found := _claim_from(worker, [pool]))), None)


@transaction.atomic
def _claim_from(worker: Worker, pools: Sequence[str]) -> Claim | None:
    picked = prepared.run((pick(connection.vendor, len(pools)), pools))
    if not picked:
        return None
    [(job_id, owner_id, overdue)] = picked
    job = _hold(worker, job_id, next(revisions.take(owner_id=owner_id, count=1)))
    job.open_slots = _open_slots(job)
    attempt = {
        "job_id": job.pk,
        "number": job.attempt,
        "worker_id": worker.pk,
        "lease_token": job.lease_token,
    }
    prepared.run(_noting(connection.vendor), **attempt)
    publisher.changed(owner_id=owner_id, revision=job.revision, job_ids=[job.pk])
    ids = {"job": str(job.pk), "attempt": job.attempt, "worker": str(worker.pk)}
    audit_log.after_commit("job.leased", actor=worker_actor(worker.pk), **ids)
    return Claim(job, bool(overdue))


def _hold(worker: Worker, job_id: object, revision: int) -> Job:
    statement = _holding(connection.vendor, settings.LEASE_SECONDS)
    lease = {"lease_token": uuid.uuid4(), "leased_by_id": worker.pk, "revision": revision}
    for job in prepared.rows(Job, statement, id=job_id, **lease):
        return job
    raise StateChanged


def _open_slots(job: Job) -> list[Asset]:
    slots = prepared.rows(Asset, _reading_slots(connection.vendor), job_id=job.pk)
    return sorted(slots, key=lambda asset: asset.slot)


@lru_cache
def pick(vendor: str, pools: int) -> str:
    """`PICK` for this many pools in the database's own words."""
    now, _ = Job.objects.none().query.get_compiler(connection=connection).compile(Now())
    locks = connection.features.has_select_for_update_skip_locked
    lock = connection.ops.for_update_sql(skip_locked=True) if locks else ""
    return PICK.format(now=now, offered=", ".join(["(%s)"] * pools), lock=lock)


@lru_cache
def _holding(vendor: str, lease_seconds: int) -> Statement:
    given = prepared.given(Job, "id", "lease_token", "leased_by_id", "revision")
    return prepared.update(
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


@lru_cache
def _noting(vendor: str) -> Statement:
    given = prepared.given(Attempt, "job_id", "number", "worker_id", "lease_token")
    return prepared.insert(Attempt(leased_at=Now(), **given))


@lru_cache
def _reading_slots(vendor: str) -> Statement:
    job = prepared.given(Asset, "job_id")
    return prepared.select(Asset.objects.filter(status=AssetStatus.QUEUED, **job))
