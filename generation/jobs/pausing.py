"""Pausing an owner's queue: what waits stands outside the claim index until it is resumed.

The owner's counter says what is wanted. The jobs follow in bounded batches; where that was broken off, a
chore goes on with it. Every queueing reads the counter under its lock, so nothing slips by
(docs/decisions/0031-the-owners-hand-on-the-queue.md).
"""

from __future__ import annotations

from django.db import transaction

from generation.changes import publisher, revisions, writes
from generation.core import audit_log, isolation
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.models import Job, JobStatus, OwnerCounter
from generation.models.job import JobQuerySet
from generation.queue import fairness

BATCH = 200


def pause(*, owner_id: int, actor: Actor) -> bool:
    """Let nobody begin what waits, or comes to wait, until `resume`; whether it was not paused already."""
    changed = _set(owner_id, actor, paused=True)
    _follow(owner_id)
    return changed


def resume(*, owner_id: int, actor: Actor) -> bool:
    """Let what waits be begun again, in its order, from where the queue is now; whether it was paused."""
    changed = _set(owner_id, actor, paused=False)
    _follow(owner_id)
    return changed


@transaction.atomic
def _set(owner_id: int, actor: Actor, *, paused: bool) -> bool:
    [revision] = revisions.take(owner_id=owner_id, count=1)
    other = OwnerCounter.objects.filter(pk=owner_id, queue_paused_at__isnull=paused)
    if not other.update(queue_paused_at=Now() if paused else None):
        return False
    publisher.changed(owner_id=owner_id, revision=revision, job_ids=[])
    audit_log.after_commit(f"queue.{'paused' if paused else 'resumed'}", actor=actor, owner=owner_id)
    return True


def follow_pauses(limit: int = 100) -> int:
    """Finish pauses and resumptions that were broken off; the number of jobs. A chore."""
    waiting = Job.objects.active().filter(status=JobStatus.QUEUED)
    held = waiting.filter(held_at__isnull=False, owner__ownercounter__queue_paused_at=None)
    free = waiting.filter(held_at=None, owner__ownercounter__queue_paused_at__isnull=False)
    owners = {owner for jobs in (held, free) for owner in jobs.values_list("owner", flat=True)[:limit]}
    return isolation.each(sorted(owners), _follow)


def _follow(owner_id: int) -> int:
    moved = 0
    while some := _hold_some(owner_id) or _release_some(owner_id):
        moved += some
    return moved


@transaction.atomic
def _hold_some(owner_id: int) -> int:
    """Those that a worker takes meanwhile run."""
    if not _is_paused(owner_id):
        return 0
    free = Job.objects.of(owner_id).active().filter(status=JobStatus.QUEUED, held_at=None).order_by("id")
    found, jobs = _locked(free)
    revisions.hold(owner_id=owner_id)
    paused_at = revisions.queue_paused_at(owner_id)
    if paused_at is None:
        return 0
    writes.write_each(owner_id, jobs, held_at=paused_at)
    return found


@transaction.atomic
def _release_some(owner_id: int) -> int:
    if _is_paused(owner_id):
        return 0
    found, jobs = _locked(Job.objects.of(owner_id).held())
    revisions.hold(owner_id=owner_id)
    if _is_paused(owner_id):
        return 0
    fairness.move_up_to_now(jobs)
    writes.write_tags(owner_id, jobs, held_at=None)
    for engine in sorted({job.engine for job in jobs}):
        publisher.queued(engine=engine)
    return found


def _is_paused(owner_id: int) -> bool:
    return revisions.queue_paused_at(owner_id) is not None


def _locked(jobs: JobQuerySet) -> tuple[int, list[Job]]:
    """The number of the first of these jobs, and those of them that are still such once they are locked."""
    job_ids = list(jobs.values_list("pk", flat=True)[:BATCH])
    return len(job_ids), list(jobs.filter(pk__in=job_ids).select_for_update().order_by("id"))
