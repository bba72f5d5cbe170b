"""The progress of running jobs: the slot in work, its percentage, the remaining time, previews."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from generation.models import AssetStatus, Job, JobStatus, Preview
from generation.queue.snapshot import RunningJob, Snapshot


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress of a running job, by its worker's heartbeats and its rows.

    `percent` is of the slot in work alone; `slot` is None when all are made and the final report is due.
    `since` is when the attempt began, `seconds_left` is for all of it. `previews` holds the version of each
    slot's newest one.
    """

    slot: int | None = None
    percent: int = 0
    seconds_left: int = 0
    since: datetime | None = None
    previews: Mapping[int, str] = field(default_factory=dict)


def progress_of(jobs: Iterable[Job], snapshot: Snapshot | None = None) -> dict[uuid.UUID, JobProgress]:
    """The progress of those jobs (with their assets) that run; none of its queries if none runs."""
    running = [job for job in jobs if job.status == JobStatus.PROCESSING]
    if not running:
        return {}
    snapshot, previews = snapshot or Snapshot(), _previews(running)
    leases = snapshot.running
    return {
        job.pk: _progress(job, lease, snapshot.seconds_left(lease), previews[job.pk])
        for job in running
        if (lease := leases.get(job.pk))
    }


def _previews(jobs: Iterable[Job]) -> dict[uuid.UUID, dict[int, str]]:
    """Preview versions by job and slot, of the current lease only."""
    token_of = {job.pk: job.lease_token for job in jobs}
    found: dict[uuid.UUID, dict[int, str]] = defaultdict(dict)
    rows = Preview.objects.filter(job__in=list(token_of)).order_by("slot")
    for job_id, slot, token, version in rows.values_list("job_id", "slot", "lease_token", "version"):
        if token == token_of[job_id]:
            found[job_id][slot] = version
    return found


def _progress(job: Job, lease: RunningJob, seconds_left: float, previews: Mapping[int, str]) -> JobProgress:
    """Split the attempt's progress by slot; an attempt makes its slots one after the other."""
    attempted = [
        asset for asset in job.slots if asset.completed_at is None or asset.completed_at >= lease.since
    ]
    still_open = [asset.slot for asset in attempted if asset.status == AssetStatus.QUEUED]
    made = job.progress * len(attempted) / 100
    slot = _in_work([asset.slot for asset in attempted], still_open, job.current_slot, made)
    before = next((place for place, asset in enumerate(attempted) if asset.slot == slot), 0)
    percent = max(0, min(100, round(100 * (made - before))))
    left = max(1, round(seconds_left))
    return JobProgress(slot, percent if slot is not None else 100, left, lease.since, previews)


def _in_work(attempted: list[int], still_open: list[int], named: int | None, made: float) -> int | None:
    """The slot that the worker named; unless that is done already, the one that the progress has come to."""
    if named in still_open:
        return named
    reached = attempted[min(int(made), len(attempted) - 1)] if attempted else None
    return reached if reached in still_open else next(iter(still_open), None)
