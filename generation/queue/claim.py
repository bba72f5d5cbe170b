"""Claiming the best waiting job: a few SQL statements, each written once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction

from generation.changes import publisher, revisions
from generation.changes.writes import StateChanged
from generation.core import audit_log
from generation.core.actors import worker_actor
from generation.core.sql import in_dialect, uuid_value, value_rows
from generation.models import Asset, Job, Worker
from generation.queue import fairness

# Whether leases or delays have run out: one probe of the index of each.
OVERDUE = """
    EXISTS (SELECT 1 FROM generation_job WHERE status = 'queued' AND retry_at <= {now})
    OR EXISTS (SELECT 1 FROM generation_job WHERE status = 'processing' AND lease_expires_at < {now})
"""
# One probe of the claim index for the head of each offered pool; the best head's pool gives its first job
# that nobody else is taking. VALUES, because ten subqueries, as the ORM writes them, take 2 ms to plan.
# Its constants are literals, so that PostgreSQL plans it once. The last two columns save a statement each:
# whether there is something to reap or promote, and whether the job advances the clock of a pool. A job with
# a raised priority does not: smaller tags wait behind it.
PICK = """
    WITH offered (pool) AS (VALUES {offered})
    SELECT id, owner_id, {overdue} AS overdue, priority = 0 AND EXISTS (
        SELECT 1 FROM offered LEFT JOIN generation_fairnessclock AS clock ON clock.pool = offered.pool
        WHERE COALESCE(clock.virtual_time, 0) < fair_tag
    ) AS moves_clock
    FROM generation_job WHERE status = 'queued' AND retry_at IS NULL AND pool = (
        SELECT head.pool FROM offered
        JOIN generation_job AS head ON head.id = (
            SELECT id FROM generation_job
            WHERE status = 'queued' AND retry_at IS NULL AND pool = offered.pool
            ORDER BY priority DESC, fair_tag, id LIMIT 1
        )
        ORDER BY head.priority DESC, head.fair_tag, head.id LIMIT 1
    )
    ORDER BY priority DESC, fair_tag, id LIMIT 1 {skip_locked}
"""
# Compare-and-set: only a waiting job can be leased.
LEASE = """
    UPDATE generation_job
    SET status = 'processing', lease_token = %(lease_token)s, leased_by_id = %(worker)s,
        lease_expires_at = {later}, started_at = COALESCE(started_at, {now}),
        attempt = attempt + 1, attempts_left = attempts_left - 1, progress = 0, stage = '',
        revision = %(revision)s
    WHERE id = %(id)s AND status = 'queued' AND retry_at IS NULL
    RETURNING *
"""
OPEN_SLOTS = "SELECT * FROM generation_asset WHERE job_id = %s AND status = 'queued'"
INSERT_ATTEMPT = """
    INSERT INTO generation_attempt
        (job_id, number, worker_id, lease_token, leased_at, outcome, accepted, rejected, error_message)
    VALUES (%(job)s, %(number)s, %(worker)s, %(lease_token)s, {now}, 'running', 0, 0, '')
"""


class Claim(NamedTuple):
    """A job now leased by the worker, `open_slots` set; `overdue` if other leases or delays have run out."""

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
    # The best pool's last jobs are being claimed by others; each other pool may still have one.
    return next((found for pool in pools if (found := _claim_from(worker, [pool]))), None)


@transaction.atomic
def _claim_from(worker: Worker, pools: Sequence[str]) -> Claim | None:
    with connection.cursor() as cursor:
        cursor.execute(pick(len(pools)), pools)
        row = cursor.fetchone()
    if row is None:
        return None
    job_id, owner_id, overdue, moves_clock = row
    job = _lease(worker, job_id, next(revisions.take(owner_id=owner_id, count=1)))
    job.open_slots = _open_slots(job)
    _insert_attempt(worker, job)
    if moves_clock:
        fairness.advance(pools, job.fair_tag)
    publisher.changed(owner_id=owner_id, revision=job.revision, job_ids=[job.pk])
    ids = {"job": str(job.pk), "attempt": job.attempt, "worker": str(worker.pk)}
    audit_log.after_commit("job.leased", actor=worker_actor(worker.pk), **ids)
    return Claim(job, bool(overdue))


def pick(pools: int) -> str:
    """`PICK` for this many pools."""
    return in_dialect(PICK, offered=value_rows(pools), overdue=in_dialect(OVERDUE))


def is_anything_overdue() -> bool:
    """Whether any lease or retry delay has run out."""
    with connection.cursor() as cursor:
        cursor.execute(in_dialect("SELECT {overdue}", overdue=in_dialect(OVERDUE)), ())
        return bool(cursor.fetchone()[0])


def _lease(worker: Worker, job_id: uuid.UUID | str, revision: int) -> Job:
    lease = {
        "id": uuid_value(job_id),
        "lease_token": uuid_value(uuid.uuid4()),
        "worker": uuid_value(worker.pk),
        "seconds": float(settings.LEASE_SECONDS),
        "revision": revision,
    }
    leased = list(Job.objects.raw(in_dialect(LEASE), lease))
    if not leased:
        raise StateChanged
    return leased[0]


def _open_slots(job: Job) -> list[Asset]:
    slots = Asset.objects.raw(OPEN_SLOTS, [uuid_value(job.pk)])
    return sorted(slots, key=lambda asset: asset.slot)


def _insert_attempt(worker: Worker, job: Job) -> None:
    assert job.lease_token is not None
    attempt = {
        "job": uuid_value(job.pk),
        "number": job.attempt,
        "worker": uuid_value(worker.pk),
        "lease_token": uuid_value(job.lease_token),
    }
    with connection.cursor() as cursor:
        cursor.execute(in_dialect(INSERT_ATTEMPT), attempt)
