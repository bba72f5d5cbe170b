"""The progress of running jobs: the slot in work, its percentage, the remaining time, previews."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import OuterRef, Subquery

from generation.models import AssetStatus, Attempt, Job, JobStatus, Preview, WorkerSpeed


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress of a running job, by its worker's heartbeats and its rows.

    `percent` is of the slot in work alone; `slot` is None when all are made and the final report is due.
    `seconds_left` is for the whole attempt. `previews` holds the version of each slot's newest one.
    """

    slot: int | None = None
    percent: int = 0
    seconds_left: int = 0
    previews: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """The running attempt: since when, and the worker's speed (s for one result), None while unknown."""

    since: datetime
    speed: float | None


def progress_of(jobs: Iterable[Job]) -> dict[uuid.UUID, JobProgress]:
    """The progress of those jobs (with their assets) that run; two queries, none if none runs."""
    running = [job for job in jobs if job.status == JobStatus.PROCESSING]
    if not running:
        return {}
    leases, previews = _leases(running), _previews(running)
    return {job.pk: _progress(job, leases[job.pk], previews[job.pk]) for job in running if job.pk in leases}


def _leases(jobs: Iterable[Job]) -> dict[uuid.UUID, Lease]:
    speed = WorkerSpeed.objects.filter(worker=OuterRef("worker"), job_type=OuterRef("job__job_type")).values(
        "seconds"
    )
    attempts = Attempt.objects.filter(job__in=[job.pk for job in jobs], ended_at=None)
    found = attempts.annotate(speed=Subquery(speed)).values_list("job_id", "leased_at", "speed")
    return {job_id: Lease(since, speed) for job_id, since, speed in found}


def _previews(jobs: Iterable[Job]) -> dict[uuid.UUID, dict[int, str]]:
    """Preview versions by job and slot, of the current lease only."""
    token_of = {job.pk: job.lease_token for job in jobs}
    found: dict[uuid.UUID, dict[int, str]] = defaultdict(dict)
    rows = Preview.objects.filter(job__in=list(token_of)).order_by("slot")
    for job_id, slot, token, version in rows.values_list("job_id", "slot", "lease_token", "version"):
        if token == token_of[job_id]:
            found[job_id][slot] = version
    return found


def _progress(job: Job, lease: Lease, previews: Mapping[int, str]) -> JobProgress:
    """Split the attempt's progress by slot; an attempt makes its slots one after the other."""
    attempted = [
        asset for asset in job.slots if asset.completed_at is None or asset.completed_at >= lease.since
    ]
    still_open = [asset.slot for asset in attempted if asset.status == AssetStatus.QUEUED]
    made = job.progress * len(attempted) / 100
    slot = _in_work([asset.slot for asset in attempted], still_open, job.current_slot, made)
    before = next((place for place, asset in enumerate(attempted) if asset.slot == slot), 0)
    percent = max(0, min(100, round(100 * (made - before))))
    made = max(made, len(attempted) - len(still_open))
    speed = lease.speed or job.type.estimate(1)
    left = max(1, round(speed * (len(attempted) - made)))
    return JobProgress(slot, percent if slot is not None else 100, left, previews)


def _in_work(attempted: list[int], still_open: list[int], named: int | None, made: float) -> int | None:
    """The slot that the worker named; unless that is done already, the one that the progress has come to."""
    if named in still_open:
        return named
    reached = attempted[min(int(made), len(attempted) - 1)] if attempted else None
    return reached if reached in still_open else next(iter(still_open), None)
