"""Start-time fair queueing, decided at insert: docs/decisions/0002-the-job-table-is-the-queue.md."""

from __future__ import annotations

from django.db.models import OuterRef, Subquery

from generation.catalog.job_types import Engine
from generation.models import Attempt, Job, JobStatus
from generation.queue.estimates import live_workers


def start_tag(job: Job, *, cost: int) -> int:
    """Where a job that is to be queued, of `cost` estimated seconds, starts in its engine; index probes only.

    An owner's jobs follow one another by their cost; a newcomer starts level with the head of the queue. The
    first job of an empty queue starts level with the other engines' heads, so that a worker which serves
    several engines does not find it ahead of everybody who waits for another. What waits at the head for a
    worker that there is not must not stop the clock: nobody starts before what was served last.
    """
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=job.engine)
    own = queued.filter(owner_id=job.owner_id).order_by("-fair_tag").values_list("fair_tag", flat=True)[:1]
    head = _head(job.engine) or [tag for other in Engine if other != job.engine for tag in _head(other)]
    served = _served(job)
    after_own = [tag + cost for tag in [*own, *_newest_own(job, served)]]
    head += served
    return max([*after_own, *head], default=0)


def _head(engine: str) -> list[int]:
    """The smallest queued tag of the engine, if anything is queued."""
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=engine)
    return list(queued.order_by("fair_tag").values_list("fair_tag", flat=True)[:1])


def _served(job: Job) -> list[int]:
    """The tags of the jobs that live workers of the job's pool took last.

    None of them left a smaller tag waiting in that pool, except behind another priority: such jobs are not
    counted.
    """
    last = Attempt.objects.filter(worker=OuterRef(OuterRef("pk"))).order_by("-id").values("job")[:1]
    taken = Job.objects.filter(pk=Subquery(last), priority=job.priority).values("fair_tag")
    workers = live_workers().annotate(tag=Subquery(taken)).values_list("pools", "tag")
    return [tag for pools, tag in workers if tag is not None and job.pool in pools]


def _newest_own(job: Job, served: list[int]) -> list[int]:
    """The tag of the owner's newest other job, so that who sends one at a time waits no less than others.

    Not one that is ahead of what was served: it is of a time before the queue was last empty.
    """
    others = Job.objects.of(job.owner_id).exclude(pk=job.pk).order_by("-id")
    newest = others.values_list("fair_tag", flat=True)[:1]
    return [tag for tag in newest if tag <= max(served, default=-1)]
