"""Start-time fair queueing, with a virtual time for each pool.

See docs/decisions/0002-the-job-table-is-the-queue.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from generation.catalog.job_types import Engine
from generation.core.sql import in_dialect
from generation.models import FairnessClock, Job, JobStatus

# In the order of the names, so that two claims never wait for each other in a circle.
ADVANCE = """
    INSERT INTO generation_fairnessclock (pool, virtual_time) VALUES {clocks}
    ON CONFLICT (pool) DO UPDATE SET virtual_time = EXCLUDED.virtual_time
    WHERE generation_fairnessclock.virtual_time < EXCLUDED.virtual_time
"""


def start_tag(job: Job, *, cost: int) -> int:
    """Where a job that is to be queued, of `cost` estimated seconds, starts in its engine; index probes only.

    An owner's jobs follow one another by their cost; a newcomer starts level with the head of the queue. The
    first job of an empty queue starts level with the other engines' heads, so that a worker which serves
    several engines does not find it ahead of everybody who waits for another. What waits at the head for a
    worker that there is not must not stop the clock: nobody starts before what was served last.
    """
    now = _virtual_time(job.pool)
    head = _head(job.engine) or [tag for other in Engine if other != job.engine for tag in _head(other)]
    after_own = [tag + cost for tag in [*_last_queued(job), *_newest(job, now)]]
    return max([now, *head, *after_own])


def advance(pools: Sequence[str], tag: int) -> None:
    """A worker that offers these pools takes a job with this tag: no smaller one waits in any of them."""
    with connection.cursor() as cursor:
        values = [value for pool in sorted(pools) for value in (pool, tag)]
        cursor.execute(in_dialect(ADVANCE, clocks=", ".join(["(%s, %s)"] * len(pools))), values)


def _virtual_time(pool: str) -> int:
    clocks = FairnessClock.objects.filter(pk=pool).values_list("virtual_time", flat=True)
    return next(iter(clocks), 0)


def _head(engine: str) -> list[int]:
    """The smallest queued tag of the engine, if anything is queued."""
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=engine)
    return list(queued.order_by("fair_tag").values_list("fair_tag", flat=True)[:1])


def _last_queued(job: Job) -> list[int]:
    """The tag of the owner's last job that waits in this engine."""
    own = Job.objects.filter(status=JobStatus.QUEUED, engine=job.engine, owner_id=job.owner_id)
    return list(own.order_by("-fair_tag").values_list("fair_tag", flat=True)[:1])


def _newest(job: Job, now: int) -> list[int]:
    """The tag of the owner's newest other job, so that who sends one at a time waits no less than others.

    One that is ahead of the clock was cancelled before its time came, or counts in another engine.
    """
    others = Job.objects.of(job.owner_id).exclude(pk=job.pk).order_by("-id")
    newest = others.values_list("fair_tag", flat=True)[:1]
    return [tag for tag in newest if tag <= now]
