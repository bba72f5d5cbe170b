"""An owner reorders what waits: own jobs change places with one another, and nobody else loses one."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import DomainError, JobNotFound
from generation.models import Job, JobStatus
from generation.queue.reordering import Place, Waiting, moved, moved_before, new_tags, peers_of
from generation.queue.snapshot import Snapshot

# The first of what waits; what stands further back is not read.
MOVABLE = 1000
# How often the queue may change while a move is decided.
TRIES = 5


class NotMovable(DomainError):
    """The job cannot be moved, or not there; nothing was moved."""

    code = "not_movable"


@dataclass(frozen=True, slots=True)
class NewPlace:
    """Where a job stands now among the owner's own that it may change places with, from 1, and before."""

    number: int
    of: int
    was: int


def move(*, owner_id: int, actor: Actor, job_id: uuid.UUID, to: Place | uuid.UUID) -> NewPlace:
    """Move a waiting job to a place, or before another waiting job of the owner's.

    It changes places with those that the same workers take (`queue.reordering`).

    Raises:
        JobNotFound: one of the two is not the owner's.
        NotMovable: one of the two does not wait any more, or stands too far back.
    """
    workers = Snapshot().live_workers
    for _ in range(TRIES):
        if place := _try(owner_id, actor, job_id, to, workers):
            return place
    raise NotMovable("The queue is changing too fast. Nothing was moved; try again.")


@transaction.atomic
def _try(
    owner_id: int,
    actor: Actor,
    job_id: uuid.UUID,
    to: Place | uuid.UUID,
    workers: Mapping[uuid.UUID, Collection[str]],
) -> NewPlace | None:
    """None if what decides has changed before it was locked."""
    waiting = _waiting(owner_id)
    ids = [each.job_id for each in waiting]
    for needed in (job_id, to):
        if isinstance(needed, uuid.UUID) and needed not in ids:
            raise _refusal(owner_id, needed)
    peers = peers_of(waiting[ids.index(job_id)], waiting, workers)
    order = [each.job_id for each in peers]
    wanted = moved(job_id, order, to) if isinstance(to, Place) else moved_before(job_id, to, ids, order)
    tags = new_tags(peers, wanted)
    if not _exchange(owner_id, peers, tags):
        return None
    if tags:
        audit_log.after_commit("job.moved", actor=actor, job=str(job_id), jobs=len(tags))
    return NewPlace(wanted.index(job_id) + 1, len(wanted), order.index(job_id) + 1)


def _waiting(owner_id: int) -> list[Waiting]:
    first = Job.objects.of(owner_id).waiting()[:MOVABLE]
    return [Waiting(*row) for row in first.values_list("pk", "priority", "pool", "fair_tag")]


def _exchange(owner_id: int, peers: Sequence[Waiting], tags: Mapping[uuid.UUID, int]) -> bool:
    """Write the tags, if the jobs that get them wait as they did; whether they do."""
    as_read = {each for each in peers if each.job_id in tags}
    locked = Job.objects.of(owner_id).waiting().filter(pk__in=tags).select_for_update().order_by("id")
    jobs = list(locked)
    if {Waiting(job.pk, job.priority, job.pool, job.fair_tag) for job in jobs} != as_read:
        return False
    for job in jobs:
        job.fair_tag = tags[job.pk]
    writes.write_tags(owner_id, jobs)
    return True


def _refusal(owner_id: int, job_id: uuid.UUID) -> DomainError:
    job = Job.objects.of(owner_id).filter(pk=job_id).only("status").first()
    if job is None:
        return JobNotFound()
    if job.status == JobStatus.QUEUED:
        return NotMovable(f"Only the first {MOVABLE:,} waiting jobs can be moved.")
    return NotMovable("It does not wait any more. Nothing was moved.")
