"""Start-time fair queueing with a virtual time per pool.

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
    """The start tag of a job to be queued, of `cost` estimated seconds; index probes only.

    An owner's jobs follow one another by their cost; a newcomer starts level with the head of the queue. The
    first job of an empty queue starts level with the other engines' heads, so that a worker which serves
    several engines does not take it before everybody who waits for another. A job at the head without a
    worker must not stop the clock: no tag is below the pool's virtual time.
    """
    now = _virtual_time(job.pool)
    head = _head(job.engine) or [tag for other in Engine if other != job.engine for tag in _head(other)]
    after_own = [tag + cost for tag in [*_last_queued(job), *_newest(job, now)]]
    return max([now, *head, *after_own])


def move_up_to_now(jobs: Sequence[Job]) -> None:
    """Set the tags of one owner's jobs that were held, so that a pause saves up no turns.

    In their order and with the distances that they had. What still is ahead of its pool's clock keeps its
    place; the others start level with the clock, after what the owner has queued already.
    """
    clocks = FairnessClock.objects.filter(pk__in={job.pool for job in jobs})
    now = dict(clocks.values_list("pool", "virtual_time"))
    later_by: dict[str, int] = {}
    for job in sorted(jobs, key=lambda job: (job.fair_tag, job.pk)):
        tag = max(job.fair_tag + later_by.get(job.engine, 0), now.get(job.pool, 0))
        if job.engine not in later_by:
            cost = job.type.estimate(job.quantity)
            tag = max([tag, *(last + cost for last in _last_queued(job, held=False))])
        later_by[job.engine] = tag - job.fair_tag
        job.fair_tag = tag


def advance(pools: Sequence[str], tag: int) -> None:
    """Advance the pools' virtual times to the tag of a claimed job; no smaller tag waits in any of them."""
    with connection.cursor() as cursor:
        values = [value for pool in sorted(pools) for value in (pool, tag)]
        cursor.execute(in_dialect(ADVANCE, clocks=", ".join(["(%s, %s)"] * len(pools))), values)


def _virtual_time(pool: str) -> int:
    clocks = FairnessClock.objects.filter(pk=pool).values_list("virtual_time", flat=True)
    return next(iter(clocks), 0)


def _head(engine: str) -> list[int]:
    """The smallest queued tag of the engine, if anything is queued that no pause holds."""
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=engine, held_at=None)
    return list(queued.order_by("fair_tag").values_list("fair_tag", flat=True)[:1])


def _last_queued(job: Job, *, held: bool = True) -> list[int]:
    """The tag of the owner's last queued job of this engine; with or without those that a pause holds."""
    own = Job.objects.of(job.owner_id).active().filter(status=JobStatus.QUEUED, engine=job.engine)
    own = own if held else own.filter(held_at=None)
    return list(own.order_by("-fair_tag").values_list("fair_tag", flat=True)[:1])


def _newest(job: Job, now: int) -> list[int]:
    """The tag of the owner's newest other job, so that submitting one at a time gains nothing.

    A tag ahead of the clock is of a job that was cancelled while queued, or of another engine: ignored.
    """
    others = Job.objects.of(job.owner_id).exclude(pk=job.pk).order_by("-id")
    newest = others.values_list("fair_tag", flat=True)[:1]
    return [tag for tag in newest if tag <= now]
