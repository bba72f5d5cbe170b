"""The estimates that came before: the seconds ahead in the engine's line over the workers of the pool.

Work in progress counts nothing, and a worker's moving mean counts in proportion whatever the quantity.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Avg, F

from generation.catalog.job_types import JOB_TYPES
from generation.core.clock import Now
from generation.models import Job, Worker, WorkerSpeed

ALIVE_SECONDS = 60


def done_in(jobs: Iterable[Job]) -> dict[uuid.UUID, float]:
    """Seconds until each of the waiting jobs is done; left out where no live worker offers its pool."""
    seen = Worker.objects.filter(draining=False, last_seen_at__gte=Now() - timedelta(seconds=ALIVE_SECONDS))
    pools = [pool for worker in seen for pool in worker.pools]
    means = WorkerSpeed.objects.filter(worker__in=seen).values_list("job_type").annotate(mean=Avg("seconds"))
    speeds = dict(means.order_by())

    def seconds(job: Job) -> float:
        of_one = speeds.get(job.job_type)
        return of_one * job.quantity if of_one else JOB_TYPES[job.job_type].estimate(job.quantity)

    found = {}
    for engine in {job.engine for job in jobs}:
        ahead = 0.0
        line = Job.objects.claimable().filter(engine=engine).order_by(F("priority").desc(), "fair_tag", "id")
        for job in line[:200]:
            if workers := pools.count(job.pool):
                found[job.pk] = ahead / workers + seconds(job)
                ahead += seconds(job)
    return found
