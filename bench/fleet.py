"""A scenario played on the real functions: submit, lease, heartbeat, report. It sets the database's clock."""

from __future__ import annotations

import heapq
import io
import itertools
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth.models import User

from bench import estimates_before
from bench.scenarios import OVERHEAD, TRUTH, Arrival, Machine, Scenario
from bench.virtual_clock import VirtualClock
from generation.catalog.job_types import JOB_TYPES
from generation.catalog.submission import Submission
from generation.core.actors import SYSTEM
from generation.core.clock import Now
from generation.jobs.lease import heartbeat, lease, reap
from generation.jobs.report import Report, report
from generation.jobs.report_rules import AssetReport, SlotError
from generation.jobs.submit import submit
from generation.jobs.uploads import store_upload
from generation.models import Job, JobStatus, Worker
from generation.models.statuses import ACTIVE
from generation.queue.estimates import forecast, queue_positions
from tests.factories import mp4, png

LOOK_SECONDS = 10.0  # of somebody who watches the page
POLL_SECONDS = 5.0
ENOUGH_RESULTS = 3
FAILED = SlotError("out_of_memory", "The GPU ran out of memory.", retryable=True)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was said of a job, `when` and `at` what moment (s): until it is done; None without an estimate."""

    when: str
    job_id: uuid.UUID
    at: float
    done_in: float | None
    before: float | None = None


@dataclass(slots=True)
class Hand:
    """A machine with its worker, and the job that it holds."""

    machine: Machine
    worker: Worker
    job: Job | None = None
    begun: float = 0.0
    needs: float = 0.0

    @property
    def is_free(self) -> bool:
        return self.job is None


@dataclass(slots=True)
class Fleet:
    scenario: Scenario
    clock: VirtualClock
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    hands: list[Hand] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    owners: list[User] = field(default_factory=lambda: list(User.objects.order_by("id")[:4]))
    coming: int = 0
    _number: Iterator[int] = field(default_factory=itertools.count)

    def play(self) -> dict[uuid.UUID, float]:
        """When each job that completed was done (s)."""
        for number, machine in enumerate(self.scenario.machines):
            self.at(machine.joins, lambda m=machine, n=number: self.join(m, n))  # type: ignore[misc]
        for arrival in self.scenario.arrivals:
            self.coming += 1
            self.at(arrival.at, lambda a=arrival: self.submit(a))  # type: ignore[misc]
        self.at(POLL_SECONDS, self.poll)
        self.at(LOOK_SECONDS, self.look)
        while self.events:
            now, _, event = heapq.heappop(self.events)
            self.clock.set(now)
            event()
        ended = Job.objects.filter(status=JobStatus.COMPLETED).values_list("pk", "finished_at")
        return {job_id: (at - self.clock.start).total_seconds() for job_id, at in ended if at}

    def at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (moment, next(self._number), event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self.at(self.clock.now + seconds, event)

    @property
    def is_over(self) -> bool:
        return not self.coming and not Job.objects.filter(status__in=ACTIVE).exists()

    # Workers

    def join(self, machine: Machine, number: int) -> None:
        worker = Worker.objects.create(name=f"machine{number}", engines=["sdxl", "wan"])
        Worker.objects.filter(pk=worker.pk).update(pools=list(machine.pools), last_seen_at=Now())
        hand = Hand(machine, worker)
        self.hands.append(hand)
        if machine.goes is not None:
            self.at(machine.goes, lambda: self.go(hand))
        self.take(hand)

    def go(self, hand: Hand) -> None:
        """It dies at once, or takes no more jobs."""
        if hand.machine.how == "dies":
            self.hands.remove(hand)
        else:
            Worker.objects.filter(pk=hand.worker.pk).update(draining=True)
            hand.worker.draining = True

    def poll(self) -> None:
        """Idle workers ask again, as they do in the long poll."""
        reap()
        self.wake()
        if not self.is_over:
            self.after(POLL_SECONDS, self.poll)

    def wake(self) -> None:
        """Who is first of those that are free is chance."""
        free = [hand for hand in self.hands if hand.is_free]
        self.chance.shuffle(free)
        for hand in free:
            self.take(hand)

    def take(self, hand: Hand) -> None:
        Worker.objects.filter(pk=hand.worker.pk).update(last_seen_at=Now())
        job = lease(worker=hand.worker, engines=["sdxl", "wan"], pools=hand.machine.pools)
        if job is None:
            return
        hand.job, hand.begun = job, self.clock.now
        each = TRUTH[job.job_type] * JOB_TYPES[job.job_type].estimate(1) * hand.machine.slowness
        spread = self.chance.lognormvariate(0, self.scenario.noise)
        hand.needs = (OVERHEAD + each * len(job.open_slots)) * spread
        for number, slot in enumerate(job.open_slots, 1):
            done_after = hand.needs * number / len(job.open_slots)
            self.after(done_after, lambda j=job, s=slot, n=number: self.deliver(hand, j, s.slot, n))  # type: ignore[misc]
        self.after(settings.HEARTBEAT_SECONDS, lambda: self.beat(hand, job))

    def beat(self, hand: Hand, job: Job) -> None:
        if hand.job is not job or hand not in self.hands:
            return
        assert job.lease_token
        percent = min(99, int(100 * (self.clock.now - hand.begun) / hand.needs))
        held = {"worker": hand.worker, "job_id": job.pk, "lease_token": job.lease_token}
        heartbeat(**held, progress=percent, stage="sampling")  # type: ignore[arg-type]
        Worker.objects.filter(pk=hand.worker.pk).update(last_seen_at=Now())
        self.after(settings.HEARTBEAT_SECONDS, lambda: self.beat(hand, job))

    def deliver(self, hand: Hand, job: Job, slot: int, number: int) -> None:
        """One slot is made; with the last the job is reported."""
        if hand.job is not job or hand not in self.hands:
            return
        assert job.lease_token
        index = slot if job.engine == "sdxl" else None
        if self.chance.random() < self.scenario.failures:
            made = AssetReport(image_index=index, status="failed", error=FAILED)
        else:
            content = mp4() if job.media == "video" else png(shade=slot)
            held = {"worker": hand.worker, "job_id": job.pk, "lease_token": job.lease_token}
            upload = store_upload(**held, slot=slot, content=io.BytesIO(content))  # type: ignore[arg-type]
            made = AssetReport(image_index=index, status="completed", upload_id=upload.pk)
        is_last = number == len(job.open_slots)
        status = "completed" if is_last else "processing"
        told = Report(job_id=job.pk, lease_token=job.lease_token, status=status, assets=[made])
        receipt = report(worker=hand.worker, report=told)
        Worker.objects.filter(pk=hand.worker.pk).update(last_seen_at=Now())
        if is_last:
            self.results[job.job_type] += receipt.job_status == JobStatus.COMPLETED
            hand.job = None
            self.take(hand)

    # Users

    def submit(self, arrival: Arrival) -> None:
        self.coming -= 1
        owner, job_type = self.owners[arrival.owner], JOB_TYPES[arrival.job_type]
        expected = forecast(owner_id=owner.pk, job_type=job_type, quantity=arrival.quantity)
        submission = Submission(job_type=job_type.name, prompt="a lighthouse", quantity=arrival.quantity)
        job = submit(owner_id=owner.pk, actor=SYSTEM, submission=submission)
        if self.results[job.job_type] >= ENOUGH_RESULTS:
            self.estimates.append(Estimate("before Make", job.pk, self.clock.now, expected.done_in))
        self.say([job], "at submission")
        self.wake()

    def look(self) -> None:
        waiting = list(Job.objects.filter(status=JobStatus.QUEUED, retry_at=None))
        self.say(waiting, "while waiting")
        if not self.is_over:
            self.after(LOOK_SECONDS, self.look)

    def say(self, jobs: list[Job], when: str) -> None:
        """One reading for all, and what the estimates before this one said."""
        counted = [job for job in jobs if self.results[job.job_type] >= ENOUGH_RESULTS]
        if not counted:
            return
        found, before = queue_positions(counted), estimates_before.done_in(counted)
        for job in counted:
            self.estimates.append(
                Estimate(when, job.pk, self.clock.now, found[job.pk].done_in, before.get(job.pk))
            )
