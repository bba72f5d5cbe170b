"""A worker's time-limited hold on a job: lease, heartbeat, release, expiry."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import Literal

from django.conf import settings
from django.db import transaction

from generation.catalog.job_types import JOB_TYPES, POOLS, pool_and_model
from generation.changes import writes
from generation.core import audit_log, isolation
from generation.core.actors import SYSTEM, worker_actor
from generation.core.clock import Now, from_now
from generation.core.errors import JobNotFound, LeaseLost, UnknownSlot
from generation.core.graphemes import cut
from generation.core.limits import STAGE_LENGTH
from generation.core.planning import MANY, Leaves
from generation.jobs.deadlines import cancel_if_late
from generation.jobs.finish import Reason, finish_or_requeue
from generation.jobs.forgiveness import forgive
from generation.jobs.progress_throttle import hint
from generation.jobs.unleasable import UNCLAIMABLE, set_aside, unusable_because
from generation.models import Attempt, Job, JobStatus, Outcome, Worker
from generation.models.job import JobQuerySet
from generation.queue import reap_hold
from generation.queue.advertised import offers_pool
from generation.queue.claim import Claim, LateJob, UnclaimableJob, claim

# How many released attempts without a result are kept of one job.
MAX_EMPTY_ATTEMPTS = 20
# How many bad or late jobs one lease call sets aside; the next goes on.
MAX_SET_ASIDE = 20
WORKER_LOST = Reason("worker_lost", "The worker went silent in the middle of the job.")


def lease(
    *, worker: Worker, engines: Sequence[str], pools: Sequence[str] = (), warm: Collection[str] = ()
) -> Job | None:
    """Lease the best waiting job that the worker can do; None when there is none.

    Of those that it offers, the pools in `warm` need no model to be loaded: they are preferred within bounds.
    Its `open_slots` are set. Also reaps and promotes, so that a queue with workers needs no other timer.
    """
    offered = [] if worker.draining else offered_pools(worker, engines, pools)
    warm = set(warm).intersection(offered)
    claimed = _claim_usable(worker, offered, warm)
    if claimed.overdue and promote() + reap() and claimed.job is None:
        claimed = _claim_usable(worker, offered, warm)
    return claimed.job


def _claim_usable(worker: Worker, offered: Sequence[str], warm: Collection[str]) -> Claim:
    """The best waiting job of which the worker can make something; those before it are set aside."""
    for _ in range(MAX_SET_ASIDE):
        try:
            claimed = claim(worker=worker, pools=offered, warm=warm)
        except UnclaimableJob as error:
            set_aside(error.job_id, UNCLAIMABLE)
            continue
        except LateJob as late:
            cancel_if_late(late.job_id)
            continue
        reason = unusable_because(claimed.job) if claimed.job else None
        if claimed.job is None or reason is None:
            return claimed
        set_aside(claimed.job.pk, reason, lease_token=claimed.job.lease_token)
    return Claim(None, overdue=False)


def offered_pools(worker: Worker, engines: Sequence[str], pools: Sequence[str]) -> list[str]:
    """The pools that the worker may be served from: of the engines it may serve, the `pools` that it names.

    A worker that names none gets jobs without references and without a model. Unknown pool names are ignored,
    and those with a model that the worker did not advertise for them. A fallback is not served of the engines
    that others serve.
    """
    allowed = {engine for engine in engines if engine in worker.engines}
    if worker.fallback:
        allowed -= Worker.objects.engines_without_fallback()
    wanted = set(pools or JOB_TYPES)
    plain = [pool for pool, job_type in POOLS.items() if job_type.engine in allowed and pool in wanted]
    of_models = sorted(pool for pool in wanted - POOLS.keys() if offers_pool(worker, pool))
    return plain + [pool for pool in of_models if POOLS[pool_and_model(pool)[0]].engine in allowed]


def heartbeat(
    *,
    worker: Worker,
    job_id: uuid.UUID,
    lease_token: uuid.UUID,
    progress: int,
    stage: str,
    slot: int | None = None,
) -> Literal["continue", "cancel"]:
    """Renew the lease and store the worker's progress (percent); `cancel` when the owner stopped the job.

    `slot` is the one in work. The row is always written; pages are hinted at most twice a second.

    Raises:
        UnknownSlot: the job has no such slot.
        JobNotFound: this worker never had the job.
        LeaseLost: the lease ended.
    """
    held = Job.objects.filter(pk=job_id, lease_token=lease_token, leased_by=worker)
    running = held.filter(status=JobStatus.PROCESSING)
    named = running if slot is None else running.filter(quantity__gt=slot)
    fields: dict[str, object] = {
        "progress": progress,
        "stage": cut(stage, STAGE_LENGTH),
        "current_slot": slot,
    }
    fields["lease_expires_at"] = from_now(settings.LEASE_SECONDS)
    if hint(named, job_id=job_id, **fields) or named.update(**fields):
        return "continue"
    if slot is not None and running.exists():
        raise UnknownSlot(slot)
    if held.filter(status=JobStatus.CANCELLED).exists():
        return "cancel"
    raise refusal(worker=worker, job_id=job_id)


def refusal(*, worker: Worker, job_id: uuid.UUID) -> JobNotFound | LeaseLost:
    """The error to raise when a worker names a job with a lease that is not the current one."""
    had_it = Attempt.objects.filter(Leaves(MANY, worker=worker), job_id=job_id).exists()
    ids = {"job": str(job_id), "worker": str(worker.pk)}
    audit_log.refused("lease.refused", actor=worker_actor(worker.pk), had_it=had_it, **ids)
    return LeaseLost() if had_it else JobNotFound()


def lock_leased_job(*, worker: Worker, job_id: uuid.UUID, lease_token: uuid.UUID) -> Job:
    """The job whose current or last lease this is, locked; it may have ended meanwhile."""
    held = Job.objects.filter(pk=job_id, lease_token=lease_token, leased_by=worker)
    if job := writes.lock(held):
        return job
    raise refusal(worker=worker, job_id=job_id)


@transaction.atomic
def release(*, worker: Worker, job_id: uuid.UUID, lease_token: uuid.UUID) -> None:
    """Give the job back unharmed; it costs no attempt. A job that has ended meanwhile is left alone.

    Raises:
        JobNotFound, LeaseLost: as for a heartbeat.
    """
    job = lock_leased_job(worker=worker, job_id=job_id, lease_token=lease_token)
    if job.status != JobStatus.PROCESSING:
        return
    job.attempts_left += 1
    changes: dict[str, object] = {"attempts_left": job.attempts_left, "lease_token": None}
    finish_or_requeue(
        job,
        writes.lock_assets(job),
        actor=worker_actor(worker.pk),
        reason=WORKER_LOST,
        changes=changes,
        delay_seconds=0,
    )
    writes.end_attempt(job, Outcome.RELEASED)
    _prune_released_attempts(job)


def _prune_released_attempts(job: Job) -> None:
    """Keep only the newest: a worker that leases and releases in a loop would add rows without end."""
    empty = Attempt.objects.filter(job=job, outcome=Outcome.RELEASED, accepted=0)
    older = empty.order_by("-number").values("pk")[MAX_EMPTY_ATTEMPTS:]
    Attempt.objects.filter(pk__in=older).delete()


def _expired() -> JobQuerySet:
    """Jobs with an expired lease; none while the reap hold after an outage lasts."""
    over = Job.objects.filter(status=JobStatus.PROCESSING, lease_expires_at__lt=Now())
    return over.exclude(reap_hold.is_active())


def _due() -> JobQuerySet:
    return Job.objects.filter(status=JobStatus.QUEUED, retry_at__lte=Now())


def reap(limit: int = 100) -> int:
    """End expired leases; returns their number. Bounded, idempotent, safe to run twice at once."""
    overdue = list(_expired().order_by("lease_expires_at").values_list("pk", flat=True)[:limit])
    return isolation.each(overdue, _expire, on_failure=_put_off)


@transaction.atomic
def _put_off(job_id: uuid.UUID) -> None:
    """What could not be ended comes again after the others, and not at each lease call."""
    _expired().filter(pk=job_id).update(lease_expires_at=from_now(settings.LEASE_SECONDS))


@transaction.atomic
def _expire(job_id: uuid.UUID) -> int:
    job = writes.lock(_expired().filter(pk=job_id), skip_locked=True)
    if job is None:
        return 0
    ids = {"job": str(job.pk), "attempt": job.attempt, "worker": str(job.leased_by_id)}
    audit_log.after_commit("lease.expired", actor=SYSTEM, **ids)
    changes = {"lease_token": None} | forgive(job, job.leased_by)
    finish_or_requeue(job, writes.lock_assets(job), actor=SYSTEM, reason=WORKER_LOST, changes=changes)
    writes.end_attempt(job, Outcome.EXPIRED)
    return 1


def promote(limit: int = 100) -> int:
    """Make delayed retries claimable once their time has come; returns the number of jobs.

    Rows locked by others are skipped: two promoters that waited for each other's rows would deadlock.
    """
    due = list(_due().order_by("retry_at", "id").values_list("pk", flat=True)[:limit])
    return isolation.in_batch(due, _promote)


@transaction.atomic
def _promote(job_ids: Sequence[uuid.UUID]) -> int:
    due = _due().filter(pk__in=job_ids)
    free = due.select_for_update(skip_locked=True).order_by("retry_at", "id")
    free_ids = list(free.values_list("pk", flat=True))
    return due.filter(pk__in=free_ids).update(retry_at=None) if free_ids else 0
