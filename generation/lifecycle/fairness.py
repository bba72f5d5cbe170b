"""Start-time fair queueing, decided at insert (design 5)."""

from __future__ import annotations

from generation.models import Job, JobStatus


def start_tag(*, owner_id: int, engine: str, cost: int) -> int:
    """Where a job of `cost` estimated seconds starts in its engine's queue; two index probes.

    An owner's jobs follow one another by their cost; a newcomer starts level with the head of the queue.
    """
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=engine)
    last_own = queued.filter(owner_id=owner_id).order_by("-fair_tag").values_list("fair_tag", flat=True)[:1]
    head = queued.order_by("fair_tag").values_list("fair_tag", flat=True)[:1]
    after_own = [tag + cost for tag in last_own]
    return max([*after_own, *head], default=0)
