"""Our pattern in the same stream: the domain functions, and a worker that repeats a lost callback once."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from channels.layers import InMemoryChannelLayer, channel_layers
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from bench.databases import counted
from bench.stream import IMAGES, Fate, Outcome, Step, batches
from generation.catalog.submission import Submission
from generation.core.actors import SYSTEM
from generation.jobs.lease import lease
from generation.jobs.report import Report, report
from generation.jobs.report_rules import AssetReport
from generation.jobs.submit import submit
from generation.jobs.uploads import store_upload
from generation.models import AssetStatus, Image, Job, JobStatus, Upload, Worker
from generation.models.statuses import ACTIVE
from tests.factories import png

ENGINES = ("sdxl",)


class CountingLayer(InMemoryChannelLayer):  # type: ignore[misc] # channels has no types
    """The in-memory layer, counting what is sent to pages."""

    to_pages = 0

    async def group_send(self, group: str, message: dict[str, object]) -> None:
        self.to_pages += group.startswith("owner-")
        await super().group_send(group, message)


class Records:
    """Plays a stream on our tables, in the database that Django is on."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.worker = Worker.objects.order_by("name")[0]
        self.owners = list(User.objects.order_by("id")[:100])
        self.steps: dict[uuid.UUID, Step] = {}
        self.upload_queries = 0
        self.twin_queries = 0

    def play(self, stream: Sequence[Step]) -> Outcome:
        layer = CountingLayer()
        channel_layers.set("default", layer)
        with counted() as count:
            for batch in batches(stream):
                for step in batch:
                    self.submit(step)
                for _ in batch:
                    self.work()
            while self.expire():
                self.work()
        return self.outcome(stream, events=layer.to_pages, queries=count.queries + self.twin_queries)

    def submit(self, step: Step) -> None:
        submission = Submission(job_type="sdxl_image_fast", prompt=step.prompt, quantity=IMAGES)
        job = submit(owner_id=self.owners[step.owner].pk, actor=SYSTEM, submission=submission)
        self.steps[job.pk] = step

    def work(self) -> None:
        """Lease the next job, store its images, report; once more if the first report was lost."""
        job = lease(worker=self.worker, engines=ENGINES)
        if job is None:
            return
        told = self.told(job)
        step = self.steps[job.pk]
        fates = [step.fate, step.second_fate] if job.attempt == 1 else [Fate.ARRIVES]
        arriving = [fate for fate in fates if fate is not Fate.LOST][:1]
        for fate in arriving:
            self.deliver(told, fate)

    def told(self, job: Job) -> Report:
        assert job.lease_token is not None
        with counted() as count:
            uploads = [self.upload(job, job.lease_token, slot) for slot in range(IMAGES)]
        self.upload_queries += count.queries
        assets = [AssetReport(image_index=u.slot, status="completed", upload_id=u.pk) for u in uploads]
        return Report(job_id=job.pk, lease_token=job.lease_token, status="completed", assets=assets)

    def upload(self, job: Job, lease_token: uuid.UUID, slot: int) -> Upload:
        content = io.BytesIO(png(shade=slot))
        return store_upload(
            worker=self.worker, job_id=job.pk, lease_token=lease_token, slot=slot, content=content
        )

    def deliver(self, told: Report, fate: Fate) -> None:
        call = partial(report, worker=self.worker, report=told)
        if fate is Fate.TWICE_AT_ONCE:
            with ThreadPoolExecutor() as threads:
                self.twin_queries += sum(threads.map(_on_own_connection, [call, call]))
            return
        for _ in range(2 if fate is Fate.TWICE_AFTER else 1):
            call()

    def expire(self) -> bool:
        """Let the time pass that a lost lease takes; False when no job is left."""
        waiting = Job.objects.filter(status__in=ACTIVE)
        if not waiting.exists():
            return False
        past = Now() - timedelta(seconds=1)
        Job.objects.filter(status=JobStatus.PROCESSING).update(lease_expires_at=past)
        Job.objects.filter(~Q(retry_at=None)).update(retry_at=past)
        return True

    def outcome(self, stream: Sequence[Step], *, events: int, queries: int) -> Outcome:
        images = Image.objects.all()
        completed = images.filter(status=AssetStatus.COMPLETED)
        slots = set(completed.values_list("job_id", "image_index"))
        return Outcome(
            jobs=len(stream),
            expected=len(stream) * IMAGES,
            lost=sum(step.fate is Fate.LOST for step in stream),
            doubled=sum(step.fate in (Fate.TWICE_AFTER, Fate.TWICE_AT_ONCE) for step in stream),
            events=events,
            queries=queries,
            upload_queries=self.upload_queries,
            placeholders_left=images.exclude(status=AssetStatus.COMPLETED).count(),
            orphans=images.exclude(job__in=self.steps).count(),
            linked_to_another_job=sum(
                image.prompt != image.job.prompt for image in images.select_related("job")
            ),
            duplicates=completed.count() - len(slots),
            missing=len(stream) * IMAGES - len(slots),
            unfinished=Job.objects.exclude(status=JobStatus.COMPLETED).count(),
        )


def _on_own_connection(call: Callable[[], object]) -> int:
    """Call it in a thread; the number of its statements."""
    try:
        with counted() as count:
            call()
        return count.queries
    finally:
        connection.close()
