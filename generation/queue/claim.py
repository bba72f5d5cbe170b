"""Claiming the best waiting job: a few SQL statements, each written once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.db import connection, transaction

from generation.changes import publisher, revisions
from generation.changes.writes import StateChanged
from generation.core import audit_log, isolation
from generation.core.actors import worker_actor
from generation.core.clock import Now
from generation.core.sql import in_dialect, uuid_value, value_rows
from generation.models import Job, Worker
from generation.models.job import OpenSlot
from generation.queue import fairness, warm_preference
from generation.queue.heads import claim_statement

# One probe of the claim index for the head of each offered pool; the best head's pool gives its first job
# that nobody else is taking. VALUES, because ten subqueries, as the ORM writes them, take 2 ms to plan.
# Its constants are literals, so that PostgreSQL plans it once. The last two columns save a statement each:
# whether there is something to reap or promote, and whether the job advances the clock of a pool. A job with
# a raised priority does not: smaller tags wait behind it.
# Its parameters are the pools, and twice the worker.
PICK = """
    WITH offered (pool) AS (VALUES {offered})
    SELECT id, owner_id, {overdue} AS overdue, priority = 0 AND EXISTS (
        SELECT 1 FROM offered LEFT JOIN generation_fairnessclock AS clock ON clock.pool = offered.pool
        WHERE COALESCE(clock.virtual_time, 0) < fair_tag
    ) AS moves_clock
    FROM generation_job WHERE status = 'queued' AND retry_at IS NULL AND held_at IS NULL AND pool = (
        SELECT head.pool FROM offered
        JOIN generation_job AS head ON head.id = ({head})
        ORDER BY head.priority DESC, head.fair_tag, head.id LIMIT 1
    ) AND {for_worker}
    ORDER BY priority DESC, fair_tag, id LIMIT 1 {skip_locked}
"""
# Asked when nothing could be picked: whether others are taking what waits, and whether anything is overdue.
WAITING = """
    SELECT EXISTS (
        SELECT 1 FROM generation_job
        WHERE status = 'queued' AND retry_at IS NULL AND held_at IS NULL AND pool IN ({offered})
            AND {for_worker}
    ), {overdue}
"""
# Compare-and-set: only a waiting job can be leased. The open slots come along as text, a statement fewer.
LEASE = """
    UPDATE generation_job
    SET status = 'processing', lease_token = %(lease_token)s, leased_by_id = %(worker)s,
        lease_expires_at = {later}, started_at = COALESCE(started_at, {now}),
        attempt = attempt + 1, attempts_left = attempts_left - 1, progress = 0, stage = '',
        revision = %(revision)s
    WHERE id = %(id)s AND status = 'queued' AND retry_at IS NULL AND held_at IS NULL
        AND (deadline_at IS NULL OR deadline_at > {now})
    RETURNING *, (
        SELECT CAST({json_array_agg}({json_array}(id, image_index, seed)) AS TEXT)
        FROM generation_asset WHERE job_id = %(id)s AND status = 'queued'
    ) AS open_slots_json
"""
INSERT_ATTEMPT = """
    INSERT INTO generation_attempt
        (job_id, number, worker_id, lease_token, leased_at, outcome, accepted, rejected, error_message)
    VALUES (%(job)s, %(number)s, %(worker)s, %(lease_token)s, {now}, 'running', 0, 0, '')
"""


class UnclaimableJob(Exception):
    """The best waiting job cannot be leased: its rows are inconsistent. Nothing was written."""

    def __init__(self, job_id: uuid.UUID) -> None:
        super().__init__(str(job_id))
        self.job_id = job_id


class LateJob(Exception):
    """The deadline of the best waiting job has passed. Nothing was written."""

    def __init__(self, job_id: uuid.UUID) -> None:
        super().__init__(str(job_id))
        self.job_id = job_id


class Claim(NamedTuple):
    """A job now leased by the worker, `open_slots` set, if any; whether leases or delays have run out."""

    job: Job | None
    overdue: bool


def claim(*, worker: Worker, pools: Sequence[str], warm: Collection[str] = ()) -> Claim:
    """Lease the best waiting job of these pools, if there is one. Raises UnclaimableJob, LateJob.

    A job of a `warm` pool is preferred within bounds (queue.warm_preference).
    """
    if found := _claim_from(worker, pools, warm):
        return found
    waiting, overdue = _waiting(worker, pools)
    # The best pool's last jobs are being claimed by others; each other pool may still have one.
    each = (_claim_from(worker, [pool]) for pool in pools) if waiting else ()
    return next(filter(None, each), Claim(None, overdue))


@transaction.atomic
def _claim_from(worker: Worker, pools: Sequence[str], warm: Collection[str] = ()) -> Claim | None:
    if not pools:
        return None
    with connection.cursor() as cursor:
        if warm:
            warm_preference.pick(cursor, worker, pools, warm)
        else:
            me = uuid_value(worker.pk)
            cursor.execute(pick(len(pools)), [*pools, me, me])
        row = cursor.fetchone()
    if row is None:
        return None
    job_id, owner_id, overdue, moves_clock, *preference = row
    if preference:
        warm_preference.record(worker, *preference)
    # What was passed over has smaller tags than the job: the clocks of those pools stay.
    moved = [pool for pool in pools if pool in warm] if any(preference[:1]) else pools
    try:
        job = _take(worker, moved, job_id, owner_id, moves_clock)
    except isolation.ROW_FAULTS as error:
        isolation.log_failure("job.unclaimable", error, job=str(job_id))
        raise UnclaimableJob(uuid.UUID(str(job_id))) from error
    return Claim(job, bool(overdue))


def _take(
    worker: Worker, pools: Sequence[str], job_id: uuid.UUID | str, owner_id: int, moves_clock: object
) -> Job:
    job = _lease(worker, job_id, next(revisions.take(owner_id=owner_id, count=1)))
    _insert_attempt(worker, job)
    if moves_clock:
        fairness.advance(pools, job.fair_tag)
    publisher.changed(owner_id=owner_id, revision=job.revision, job_ids=[job.pk])
    ids = {"job": str(job.pk), "attempt": job.attempt, "worker": str(worker.pk)}
    audit_log.after_commit("job.leased", actor=worker_actor(worker.pk), **ids)
    return job


def pick(pools: int) -> str:
    """`PICK` for this many pools; its parameters are they, and twice the worker's id."""
    return claim_statement(PICK, offered=value_rows(pools))


def _waiting(worker: Worker, pools: Sequence[str]) -> tuple[bool, bool]:
    offered = ", ".join(["%s"] * len(pools)) or "NULL"
    with connection.cursor() as cursor:
        cursor.execute(claim_statement(WAITING, offered=offered), [*pools, uuid_value(worker.pk)])
        waiting, overdue = cursor.fetchone()
        return bool(waiting), bool(overdue)


def _lease(worker: Worker, job_id: uuid.UUID | str, revision: int) -> Job:
    lease = {
        "id": uuid_value(job_id),
        "lease_token": uuid_value(uuid.uuid4()),
        "worker": uuid_value(worker.pk),
        "seconds": float(settings.LEASE_SECONDS),
        "revision": revision,
    }
    leased: list[Any] = list(Job.objects.raw(in_dialect(LEASE), lease))
    if not leased:
        if Job.objects.filter(pk=job_id, deadline_at__lte=Now()).exists():
            raise LateJob(uuid.UUID(str(job_id)))
        raise StateChanged
    [job] = leased
    slots = [
        OpenSlot(uuid.UUID(pk), index, seed) for pk, index, seed in json.loads(job.open_slots_json or "[]")
    ]
    job.open_slots = sorted(slots, key=lambda slot: slot.slot)
    return cast(Job, job)


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
