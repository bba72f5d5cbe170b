"""One turn of everything that is measured in one database; afterwards its backlog is what it was before."""

from __future__ import annotations

import io
import itertools
import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from django.contrib.auth.models import User

from bench.bare import Bare, Lease
from bench.databases import connect, counted, use
from bench.meter import Probe
from generation.catalog.job_types import JOB_TYPES
from generation.catalog.submission import Submission
from generation.core.actors import SYSTEM
from generation.jobs.lease import lease
from generation.jobs.report import Receipt, Report, report
from generation.jobs.report_rules import AssetReport
from generation.jobs.submit import submit
from generation.jobs.uploads import store_upload
from generation.models import Job, Project, Upload, Worker
from tests.factories import png

POOL = "sdxl_image_fast"
SUBMISSION = Submission(job_type=POOL, prompt="a lighthouse", quantity=6)
COST = 30
# Of each of these models a worker offers two pools beside the ten without one.
MODELS = {f"model-{number:02}": [POOL, "sdxl_image_high"] for number in range(25)}
SIXTY_POOLS = [*JOB_TYPES, *(f"{job_type}@{name}" for name, types in MODELS.items() for job_type in types)]
# Each operation, and the name of the same SQL by hand.
OPERATIONS = {
    "submit (six images)": "submit by hand",
    "submit (owner of half of the finished)": "submit by hand, that owner",
    "claim (60 pools offered)": "claim by hand",
    "claim (10 pools offered)": "claim by hand",
    "claim (10 pools offered, 1 warm)": "claim by hand",
    "claim (2 pools offered)": "claim by hand",
    "claim (1 pool offered)": "claim by hand",
    "callback with six images, and settle": "callback by hand",
    "settle alone": "settle by hand",
}


class Cycle:
    def __init__(self, case: str) -> None:
        self.case = case
        use(case)
        self.worker = Worker.objects.order_by("name")[0]
        self.worker.advertised = MODELS
        owners = list(User.objects.order_by("id"))
        self.historian = owners[1]  # bench.fill gives it half of the finished jobs
        # Ordinary owners in an order of chance, the same in every case.
        random.Random(5).shuffle(owners)
        self.owners = itertools.cycle(owner for owner in owners if owner.pk not in (1, 2))
        self.projects = dict(Project.objects.values_list("owner_id", "id"))
        self.connection = connect(case)
        self.bare = Bare(self.connection)
        self.template = self.bare.template(self._submit(next(self.owners)).pk)
        self.lease(["sdxl"])

    def close(self) -> None:
        self.connection.close()

    def run(self, probe: Probe) -> None:
        self.submissions(probe)
        self.claims(probe)

    def submissions(self, probe: Probe) -> None:
        """Nine jobs; `claims` takes nine."""
        ordinary, other = next(self.owners), next(self.owners)
        for owner in (other, next(self.owners), next(self.owners), next(self.owners)):
            self._submit(owner)
        probe("submit (six images)", lambda: self._submit(ordinary))
        probe("submit by hand", lambda: self._submit_by_hand(other))
        self._submit(next(self.owners))
        probe("submit (owner of half of the finished)", lambda: self._submit(self.historian))
        probe("submit by hand, that owner", lambda: self._submit_by_hand(self.historian))

    def claims(self, probe: Probe) -> None:
        probe("claim (60 pools offered)", lambda: self.lease(["sdxl", "wan"], SIXTY_POOLS))
        probe("claim by hand in full, 60 pools", lambda: self.bare.claim_in_full(self.worker.pk, SIXTY_POOLS))
        probe("claim (10 pools offered)", lambda: self.lease(["sdxl", "wan"]))
        probe(
            "claim (10 pools offered, 1 warm)", lambda: self.lease(["sdxl", "wan"], warm=["sdxl_image_high"])
        )
        by_hand = probe("claim by hand", lambda: self.bare.claim(self.worker.pk, POOL))
        six = probe("claim (2 pools offered)", lambda: self.lease(["sdxl"]))
        probe("claim by hand in full", lambda: self.bare.claim_in_full(self.worker.pk, list(JOB_TYPES)))
        more = probe("claim (1 pool offered)", lambda: self.lease(["sdxl"], [POOL]))
        rest = self.bare.claim(self.worker.pk, POOL)
        self.reports(probe, six, by_hand, more, rest)

    def reports(self, probe: Probe, six: Job, six_by_hand: Lease, more: Job, more_by_hand: Lease) -> None:
        """One job ended by one callback, one by two; and the same by hand."""
        uploads = self.uploads(six.pk, six.lease_token)
        probe("callback with six images, and settle", lambda: self.report(six, uploads))
        uploads = self.uploads(six_by_hand.job_id, six_by_hand.token)
        probe("callback by hand", lambda: self.bare.report(six_by_hand, self.worker.pk, uploads))
        uploads = self.uploads(more.pk, more.lease_token)
        probe(
            "callback with six images, more to come", lambda: self.report(more, uploads, status="processing")
        )
        probe("settle alone", lambda: self.report(more, ()))
        probe("settle by hand", lambda: self.bare.finish(more_by_hand, self.worker.pk))

    def callback_queries(self, quantity: int) -> int:
        """How many statements a callback with `quantity` images takes. The queue must be empty."""
        submit(owner_id=next(self.owners).pk, actor=SYSTEM, submission=replace(SUBMISSION, quantity=quantity))
        job = self.lease(["sdxl"])
        uploads = self.uploads(job.pk, job.lease_token, quantity)
        with counted() as count:
            self.report(job, uploads)
        return count.queries

    def _submit(self, owner: User) -> Job:
        return submit(owner_id=owner.pk, actor=SYSTEM, submission=SUBMISSION)

    def _submit_by_hand(self, owner: User) -> None:
        self.bare.submit(owner.pk, self.projects[owner.pk], self.template, COST)

    def lease(self, engines: Sequence[str], pools: Sequence[str] = (), warm: Sequence[str] = ()) -> Job:
        job = lease(worker=self.worker, engines=engines, pools=pools, warm=warm)
        assert job is not None, self.case
        return job

    def uploads(self, job_id: uuid.UUID, lease_token: uuid.UUID | None, count: int = 6) -> list[Upload]:
        """Real files for each slot, stored as a worker's are; never timed."""
        assert lease_token is not None
        store = partial(store_upload, worker=self.worker, job_id=job_id, lease_token=lease_token)
        return [store(slot=slot, content=io.BytesIO(png(shade=slot))) for slot in range(count)]

    def report(self, job: Job, uploads: Sequence[Upload], status: str = "completed") -> Receipt:
        assert job.lease_token is not None
        assets = [AssetReport(image_index=u.slot, status="completed", upload_id=u.pk) for u in uploads]
        told = Report(job_id=job.pk, lease_token=job.lease_token, status=status, assets=assets)
        receipt = report(worker=self.worker, report=told)
        assert len(receipt.accepted) == len(uploads), receipt
        return receipt
