"""Many workers claiming at once, each a process with its own connection, and a newcomer who wants a turn."""

from __future__ import annotations

import multiprocessing
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkContext
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier, Event

from django.contrib.auth.models import User
from django.db.models import Q

from bench import hint_loop
from bench.databases import disconnect, use
from generation.catalog.submission import Submission
from generation.core.actors import SYSTEM
from generation.jobs.lease import lease
from generation.jobs.submit import submit
from generation.models import Attempt, Job, JobStatus, Worker
from generation.queue.warm_preference import MAX_AHEAD

ENGINE = "sdxl"


@dataclass(frozen=True, slots=True)
class Race:
    """What the claimers did. `newcomer_claims` counts the claims up to and with the newcomer's job.

    `warm_claims` are those of a pool whose model was loaded, `overtakers` jobs from behind the newcomer's
    that were claimed before it.
    """

    workers: int
    claims: int
    warm_claims: int
    overtakers: int
    seconds: float
    duplicates: int
    newcomer_claims: int
    newcomer_bound: int


@dataclass(frozen=True, slots=True)
class Track:
    """What the claimers share."""

    fork: ForkContext
    workers: int
    newcomer: uuid.UUID
    at_least: int
    at_most: int
    warm: Sequence[str]
    start: Barrier = field(init=False)
    served: Event = field(init=False)
    count: Synchronized[int] = field(init=False)
    claimed: SimpleQueue[list[uuid.UUID]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.fork.Barrier(self.workers + 1))
        object.__setattr__(self, "served", self.fork.Event())
        object.__setattr__(self, "count", self.fork.Value("i", 0))
        object.__setattr__(self, "claimed", self.fork.SimpleQueue())

    @property
    def is_over(self) -> bool:
        enough = self.count.value >= self.at_least and self.served.is_set()
        return enough or self.count.value >= self.at_most


def race(case: str, *, workers: int, at_least: int, warm: Sequence[str] = ()) -> Race:
    """A newcomer submits; then the workers claim until its job was, and at least `at_least` jobs were.

    With `warm` pools every worker prefers their jobs to the newcomer's, as far as it may.
    """
    use(case)
    newcomer = submit(
        owner_id=User.objects.create(username=f"newcomer {'+'.join(warm)}").pk,
        actor=SYSTEM,
        submission=Submission(job_type="sdxl_image_fast", prompt="the first thing I make"),
    )
    bound = active_owners() + workers
    if warm:  # of the jobs behind it each worker takes so many, and none more until it has caught up
        bound = jobs_before(newcomer) + workers * (1 + MAX_AHEAD)
    before = Attempt.objects.count()
    last = Attempt.objects.order_by("-id").values_list("id", flat=True)[:1]
    last_id = next(iter(last), 0)
    at_most = max(3 * bound, at_least)
    track = Track(multiprocessing.get_context("fork"), workers, newcomer.pk, at_least, at_most, warm)
    claimed, seconds = _let_run(track, case)
    use(case)
    new = Attempt.objects.filter(id__gt=last_id)
    assert Attempt.objects.count() == before + len(claimed)
    mine = next(iter(new.filter(job=newcomer).values_list("id", flat=True)[:1]), last_id + track.at_most)
    before_it = new.filter(id__lt=mine)
    behind = Q(job__fair_tag=newcomer.fair_tag, job_id__gt=newcomer.pk) | Q(
        job__fair_tag__gt=newcomer.fair_tag
    )
    return Race(
        workers=workers,
        claims=len(claimed),
        warm_claims=new.filter(job__pool__in=warm).count(),
        seconds=seconds,
        duplicates=len(claimed) - len(set(claimed)),
        overtakers=before_it.filter(behind).count(),
        newcomer_claims=before_it.count() + 1,
        newcomer_bound=bound,
    )


def jobs_before(job: Job) -> int:
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=ENGINE)
    return queued.filter(Q(fair_tag__lt=job.fair_tag) | Q(fair_tag=job.fair_tag, pk__lt=job.pk)).count()


def active_owners() -> int:
    queued = Job.objects.filter(status=JobStatus.QUEUED, engine=ENGINE)
    return queued.order_by("owner_id").values("owner_id").distinct().count()


def _let_run(track: Track, case: str) -> tuple[Sequence[uuid.UUID], float]:
    """Every claimed job, and the seconds from the start to the last claimer's end."""
    disconnect()  # a fork must not share it
    processes = [track.fork.Process(target=_claim_on, args=(track, case, n)) for n in range(track.workers)]
    for process in processes:
        process.start()
    track.start.wait(60)
    began = time.monotonic()
    claimed = [job_id for _ in processes for job_id in track.claimed.get()]
    seconds = time.monotonic() - began
    for process in processes:
        process.join()
    return claimed, seconds


def _claim_on(track: Track, case: str, number: int) -> None:
    use(case)
    hint_loop.serve()
    worker = Worker.objects.order_by("name")[number]
    claimed: list[uuid.UUID] = []
    track.start.wait(60)
    while not track.is_over and (job := lease(worker=worker, engines=[ENGINE], warm=track.warm)):
        claimed.append(job.pk)
        if job.pk == track.newcomer:
            track.served.set()
        with track.count.get_lock():
            track.count.value += 1
    track.claimed.put(claimed)
    disconnect()
