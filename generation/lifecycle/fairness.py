"""Start-time fair queueing, decided at insert (design 5)."""

from __future__ import annotations

from generation.job_types import Engine
from generation.models import Job, JobStatus


def start_tag(*, owner_id: int, engine: str, cost: int) -> int:
    """Where a job of `cost` estimated seconds starts in its engine's queue; index probes only.

    An owner's jobs follow one another by their cost; a newcomer starts level with the head of the queue. The
    first job of an empty queue starts level with the other engines' heads, so that a worker which serves
    several engines does not find it ahead of everybody who waits for another.
    """
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=engine)
    last_own = queued.filter(owner_id=owner_id).order_by("-fair_tag").values_list("fair_tag", flat=True)[:1]
    after_own = [tag + cost for tag in last_own]
    head = _head(engine) or [tag for other in Engine if other != engine for tag in _head(other)]
    return max([*after_own, *head], default=0)


def _head(engine: str) -> list[int]:
    """The smallest queued tag of the engine, if anything is queued."""
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=engine)
    return list(queued.order_by("fair_tag").values_list("fair_tag", flat=True)[:1])
