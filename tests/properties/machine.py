"""Owners, workers and time, in any order, through the real HTTP API; the model says what must come back."""

from __future__ import annotations

import hashlib
import io
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.management import call_command
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from generation.models import Attempt, Image, Job, Video
from tests.factories import make_worker, mp4, png
from tests.generation.worker_api.conftest import Machine
from tests.properties.callers import Follower, Person, without_hints
from tests.properties.checks import as_expected, as_told, assets_of, check_rows, slots_of
from tests.properties.model import MAX_SEED, RETRYABLE, Lease, Slot, Upload, World
from tests.properties.model import Job as Expected

T = TypeVar("T")
PAST = "2020-01-01T00:00Z"
BOTH = ("sdxl", "wan")
ENGINES = (BOTH, BOTH, ("wan",))
JOB_TYPES = {
    "sdxl_image_fast": ("sdxl", "image"),
    "sdxl_image_high": ("sdxl", "image"),
    "image_fast": ("wan", "image"),
    "image7b_fast_enhanced": ("wan", "image"),
    "video_fast": ("wan", "video"),
}
BROKEN = (b"not a picture at all", "image/png")
# What a worker says of one slot; what is right comes most often.
SAYINGS = (
    *["right"] * 4,
    *["again with other bytes"] * 2,
    "broken",
    "for the next slot",
    "never uploaded",
    *["failed, try again"] * 2,
    "failed for good",
    "no such slot",
)
ENDINGS = ("processing", "processing", "completed", "failed")
# What happens how often, among what can happen now.
WEIGHTS = {
    "submits": 3,
    "submits_again": 1,
    "cancels": 2,
    "cancels_everything": 1,
    "retries": 4,
    "moves": 4,
    "clears": 1,
    "leases": 6,
    "beats": 2,
    "stores": 1,
    "reports": 6,
    "writes_a_report": 2,
    "sends_a_report": 4,
    "names_any_upload": 2,
    "ends_its_job": 3,
    "releases": 1,
    "outlives_its_lease": 3,
    "waits_for_its_retry": 4,
    "chores_are_done": 1,
    "a_month_passes": 1,
}


def content_of(job: Expected, variant: int) -> tuple[bytes, str]:
    """Real bytes; the same variant has the same bytes in every slot (pitfall 9)."""
    if job.media == "video":
        return mp4(frames=4 + variant), "video/mp4"
    return png(16, 16, shade=40 * variant), "image/png"


def named(lease: Lease) -> dict[str, Any]:
    return {"job_id": lease.job.id, "lease_token": lease.token}


@dataclass(frozen=True)
class Chance:
    """Choices that Hypothesis makes, and takes back where a failure does not need them."""

    data: st.DataObject

    def of(self, some: Sequence[T]) -> T:
        return self.data.draw(st.sampled_from(some))

    def mostly(self, likely: Sequence[T], every: Sequence[T]) -> T:
        """Three times in four one of the likely, if there are any."""
        is_usual = self.data.draw(st.sampled_from([True, True, True, False]))
        return self.of(likely if likely and is_usual else every)


class Studio(RuleBasedStateMachine):
    """One example is one history of a studio with two owners and three workers.

    One rule draws what happens next from what makes a difference now. Hypothesis's own choice among twenty
    rules leaves many out of each history, often the lease: sixty histories then reach next to nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.world = World(owners=2)
        self.people = [Person("ada"), Person("grace")]
        self.followers = [Follower(self.people[0], page=200), Follower(self.people[1], page=5)]
        self.machines = [Machine(make_worker(f"m{n}", ENGINES[n])) for n in range(3)]
        self.given: list[Lease] = []
        self.written: list[tuple[Lease, dict[str, Any]]] = []
        self.results: dict[str, str] = {}  # asset id: sha256 of its one result
        self.stored: dict[tuple[str, int, str], str] = {}  # lease, slot and sha256: the one upload
        self.touched: set[Expected] = set()

    @initialize(quantity=st.sampled_from([3, 6]), review=st.booleans(), leased=st.booleans())
    def first_job(self, quantity: int, review: bool, leased: bool) -> None:
        self.submit(0, "sdxl_image_fast", quantity, "", None, review)
        if leased:
            self.lease(0)

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        can = self.what_can_happen()
        menu = [name for name, weight in WEIGHTS.items() if can.get(name, True) for _ in range(weight)]
        getattr(self, data.draw(st.sampled_from(menu), label="what"))(Chance(data))

    def what_can_happen(self) -> dict[str, bool]:
        """False for what would change nothing now."""
        jobs = self.world.jobs
        slots = [slot for job in jobs for slot in job.slots]
        needs_a_lease = ("beats", "stores", "reports", "writes_a_report", "ends_its_job", "releases")
        return dict.fromkeys(needs_a_lease, bool(self.given)) | {
            "retries": any(not job.active for job in jobs),
            "moves": any(slot.status == "completed" for slot in slots),
            "clears": any(not job.active and not job.cleared for job in jobs),
            "sends_a_report": bool(self.written),
            "names_any_upload": bool(self.world.uploads),
            "outlives_its_lease": any(job.status == "processing" for job in jobs),
            "waits_for_its_retry": any(job.delayed for job in jobs),
            "a_month_passes": any(slot.trashed for slot in slots),
        }

    # Owners.

    def submits(self, chance: Chance) -> None:
        self.submit(
            owner=chance.of([0, 1]),
            job_type=chance.of(["sdxl_image_fast", *JOB_TYPES]),
            quantity=chance.of([1, 3, 3, 6]),
            key=chance.of(["", "", "k1", "k2"]),
            seed=chance.of([None, 0, MAX_SEED]),
            review=chance.of([False, True]),
        )

    def submits_again(self, chance: Chance) -> None:
        """The same under the same key; also when the first answer was a refusal."""
        self.submit(chance.of([0, 1]), "image_fast", 1, chance.of(["k1", "k2"]), 0, review=False)

    def submit(
        self, owner: int, job_type: str, quantity: int, key: str, seed: int | None, review: bool
    ) -> None:
        engine, media = JOB_TYPES[job_type]
        body = {
            "job_type": job_type,
            "prompt": "a lighthouse",
            "quantity": quantity if engine == "sdxl" else 1,
            "seed": seed,
            "review": review,
        }
        status, known = self.world.submission(owner, key, body)
        headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
        response = self.people[owner].post("jobs", body, **headers)
        assert response.status_code == status, response.content
        told = response.json()
        if status != 201 or known:
            assert known is None or told["id"] == known.id
            return
        job = Expected(told["id"], owner, engine, media, review, slots_of(told))
        assert len(job.slots) == body["quantity"]
        if seed is not None:
            seeds = [(seed + n) % (MAX_SEED + 1) for n in range(len(job.slots))]
            assert [slot.seed for slot in job.slots] == seeds
        self.world.submitted(job, key, body)
        self.touched.add(job)

    def cancels(self, chance: Chance) -> None:
        job = chance.mostly([job for job in self.world.jobs if job.active], self.world.jobs)
        owner = self.whose(chance, job)
        response = self.people[owner].post(f"jobs/{job.id}/cancel")
        assert response.status_code == self.world.cancel(owner, job)
        self.touched.add(job)

    def cancels_everything(self, chance: Chance) -> None:
        owner = chance.of([0, 1])
        active = [job for job in self.world.of(owner) if job.active]
        response = self.people[owner].post("jobs/cancel")
        assert (response.status_code, response.json()["cancelled"]) == (200, len(active))
        for job in active:
            self.world.cancel(owner, job)
        self.touched.update(active)

    def retries(self, chance: Chance) -> None:
        job = chance.mostly([job for job in self.world.jobs if job.status in RETRYABLE], self.world.jobs)
        owner = self.whose(chance, job)
        response = self.people[owner].post(f"jobs/{job.id}/retry")
        assert response.status_code == self.world.retry(owner, job)
        self.touched.add(job)

    def moves(self, chance: Chance) -> None:
        """Save, discard, restore; also of somebody else's, which moves nothing."""
        done = [job for job in self.world.jobs if any(slot.status == "completed" for slot in job.slots)]
        job = chance.mostly(done, self.world.jobs)
        owner = self.whose(chance, job)
        move = chance.of(["save", "discard", "discard", "restore"])
        chosen = [slot for slot in job.slots if chance.of([True, False])] or job.slots
        response = self.people[owner].post(f"assets/{move}", {f"{job.media}s": [slot.id for slot in chosen]})
        assert response.status_code == 200, response.content
        assert response.json()["changed"] == getattr(self.world, move)(owner, chosen)
        self.touched.add(job)

    def clears(self, chance: Chance) -> None:
        owner = chance.of([0, 1])
        assert self.people[owner].pages.post("/workspace/clear").status_code == 302
        self.world.clear(owner)
        self.touched.update(self.world.of(owner))

    def whose(self, chance: Chance, job: Expected) -> int:
        """Mostly the job's owner; now and then the stranger."""
        return 1 - job.owner if chance.of([False] * 5 + [True]) else job.owner

    # Workers.

    def leases(self, chance: Chance) -> None:
        self.lease(chance.of([0, 1, 2]), chance.of([BOTH, BOTH, BOTH, ("sdxl",), ("wan",)]))

    def lease(self, worker: int, engines: Sequence[str] = BOTH) -> Lease | None:
        self.touched.update(job for job in self.world.jobs if job.overdue)
        self.world.chores()
        waiting = self.world.waiting(set(engines) & set(ENGINES[worker]))
        response = self.machines[worker].lease(engines=list(engines))
        if not waiting:
            assert response.status_code == 204, response.content
            return None
        assert response.status_code == 200, "work waits, and none was given"
        told = response.json()
        job = next(job for job in waiting if job.id == told["job_id"])
        lease = self.world.leased(job, worker, told["lease_token"])
        assert told["attempt"] == job.attempt
        asked = [(s["slot"], s["image_index"], s["asset_id"], s["seed"]) for s in told["slots"]]
        assert asked == [(slot.number, slot.index, slot.id, slot.seed) for slot in job.open_slots]
        self.touched.add(job)
        self.given.append(lease)
        return lease

    def which(self, chance: Chance) -> tuple[Lease, int]:
        """A lease, mostly the last of its job, and who uses it, mostly its own worker."""
        last = [lease for lease in self.given if lease.job.token == lease.token]
        lease = chance.mostly(last, self.given)
        return lease, chance.of([0, 1, 2]) if chance.of([False] * 7 + [True]) else lease.worker

    def beats(self, chance: Chance) -> None:
        lease, worker = self.which(chance)
        status, action = self.world.heartbeat(lease, worker)
        response = self.machines[worker].heartbeat(named(lease), progress=40, stage="painting")
        assert response.status_code == status, response.content
        assert status != 200 or response.json()["action"] == action

    def stores(self, chance: Chance) -> None:
        lease, worker = self.which(chance)
        variant = chance.of([0, 1, 2, 3])
        content = content_of(lease.job, variant) if variant < 3 else BROKEN
        self.put(lease, worker, chance.of([0, 1, 2, 6]), content)

    def put(self, lease: Lease, worker: int, slot: int, content: tuple[bytes, str]) -> str:
        """The id of the upload; empty where it is refused, as it must be."""
        status = self.world.upload(lease, worker, slot)
        response = self.machines[worker].upload(named(lease), slot, *content)
        assert response.status_code == status, response.content
        if status != 200:
            return ""
        told = response.json()
        assert told["sha256"] == hashlib.sha256(content[0]).hexdigest()
        assert told["valid"] == (content != BROKEN)
        one = self.stored.setdefault((lease.token, slot, told["sha256"]), told["upload_id"])
        assert told["upload_id"] == one, "the same bytes are another upload"
        error = told["error"]["code"] if told["error"] else ""
        self.world.uploads[one] = Upload(one, lease.job, slot, told["sha256"], error)
        return one

    def reports(self, chance: Chance) -> None:
        lease, worker = self.which(chance)
        body = self.body(chance, lease, worker)
        self.written.append((lease, body))
        self.send(lease, worker, body)

    def writes_a_report(self, chance: Chance) -> None:
        """Uploads and keeps the callback back: it comes later, out of order, or never."""
        lease, worker = self.which(chance)
        self.written.append((lease, self.body(chance, lease, worker)))

    def sends_a_report(self, chance: Chance) -> None:
        """For the first time or once more."""
        lease, body = chance.of(self.written)
        self.send(lease, chance.of([lease.worker] * 5 + [0, 1]), body)

    def names_any_upload(self, chance: Chance) -> None:
        """Of another slot, another lease, another job."""
        lease, worker = self.which(chance)
        upload_id = chance.of(list(self.world.uploads))
        index = chance.of([None, 0, 1, 2])
        given = {"image_index": index, "status": "completed", "upload_id": upload_id}
        self.send(lease, worker, self.headed(lease, chance.of(ENDINGS), [given]))

    def ends_its_job(self, chance: Chance) -> None:
        """Everything delivered but the first slots: the straight way to each end."""
        lease, _ = self.which(chance)
        self.deliver(lease, chance.of([0, 1, 2, 6]), chance.of(["failed for good", "failed, try again"]))

    def deliver(self, lease: Lease, failing: int = 0, why: str = "") -> None:
        said = [(slot, why if at < failing else "right") for at, slot in enumerate(lease.job.open_slots)]
        assets = [self.saying(lease, lease.worker, slot, what) for slot, what in said]
        self.send(lease, lease.worker, self.headed(lease, "completed", assets))

    def releases(self, chance: Chance) -> None:
        lease, worker = self.which(chance)
        status = self.world.release(lease, worker)
        response = self.machines[worker].release(named(lease))
        assert response.status_code == status, response.content
        self.touched.add(lease.job)

    def headed(self, lease: Lease, status: str, assets: list[dict[str, Any]]) -> dict[str, Any]:
        return named(lease) | {"status": status, "assets": assets}

    def body(self, chance: Chance, lease: Lease, worker: int) -> dict[str, Any]:
        """A report of some slots in any order, also of one twice."""
        slots = lease.job.slots
        assets = [
            self.saying(lease, worker, chance.of(slots), chance.of(SAYINGS), chance.of([None, None, 0, 7]))
            for _ in range(chance.of([0, 1, 1, 2, 3, 5]) if slots else 0)
        ]
        return self.headed(lease, chance.of(ENDINGS), assets)

    def saying(
        self, lease: Lease, worker: int, slot: Slot, what: str, seed: int | None = None
    ) -> dict[str, Any]:
        if what.startswith("failed"):
            error = {"code": "out_of_memory", "message": "", "retryable": what == "failed, try again"}
            return {"image_index": slot.index, "status": "failed", "error": error}
        variant = 2 if what == "again with other bytes" else 1
        content = BROKEN if what == "broken" else content_of(lease.job, variant)
        number = slot.number + 1 if what == "for the next slot" else slot.number
        upload_id = "" if what == "never uploaded" else self.put(lease, worker, number, content)
        given = {
            "image_index": 31 if what == "no such slot" else slot.index,
            "status": "completed",
            "upload_id": upload_id or str(uuid.uuid4()),
        }
        return given if seed is None else given | {"seed": seed}

    def send(self, lease: Lease, worker: int, body: dict[str, Any]) -> None:
        open_before = {slot.index for slot in lease.job.open_slots}
        status, receipt = self.world.callback(lease, worker, body)
        response = self.machines[worker].post("job-callback", body)
        assert response.status_code == status, response.content
        self.touched.add(lease.job)
        if status != 200:
            return
        told = response.json()
        told["rejected"] = [(refused["image_index"], refused["code"]) for refused in told["rejected"]]
        assert told == receipt
        assert len(told["accepted"] + told["duplicate"] + told["rejected"]) == len(body["assets"])
        assert set(told["accepted"]) <= open_before, "a slot that had ended was accepted"

    # Time.

    def outlives_its_lease(self, chance: Chance) -> None:
        """Nobody has noticed yet."""
        job = chance.of([job for job in self.world.jobs if job.status == "processing"])
        Job.objects.filter(pk=job.id).update(lease_expires_at=PAST)
        job.overdue = True

    def waits_for_its_retry(self, chance: Chance) -> None:
        job = chance.of([job for job in self.world.jobs if job.delayed])
        Job.objects.filter(pk=job.id).update(retry_at=PAST)
        job.due = True

    def chores_are_done(self, chance: Chance) -> None:
        self.touched.update(job for job in self.world.jobs if job.overdue)
        self.world.chores()
        call_command("maintain", once=True, stdout=io.StringIO())

    def a_month_passes(self, chance: Chance) -> None:
        """Over somebody's trash."""
        owner = chance.of([0, 1])
        for model in (Image, Video):
            mine = model.objects.in_trash().of(self.people[owner].user.pk)
            mine.update(trashed_at=PAST)
        self.world.purge(owner)
        self.chores_are_done(chance)

    # What holds after every step.

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        check_rows(self.world, self.people, self.results)

    @invariant()
    def a_follower_is_told_exactly_what_changed(self) -> None:
        """No gap and nothing left out: the counter moved by as many rows as changed, and those are told."""
        for owner, follower in enumerate(self.followers):
            if follower.after == self.world.revision[owner] and not self.world.changed[owner]:
                continue  # the rows were just seen to agree; asking costs more than all the rest
            assert follower.read_on() == self.world.changed[owner]
            assert follower.after == self.world.revision[owner]
            self.world.changed[owner].clear()

    @invariant()
    def the_api_tells_the_jobs_as_the_model_does(self) -> None:
        for job in self.touched:
            self.compare(job)
        self.touched.clear()

    def compare(self, job: Expected) -> None:
        response = self.people[job.owner].get(f"jobs/{job.id}")
        assert response.status_code == 200
        told = response.json()
        assert as_told(told) == as_expected(job)
        rows = self.followers[job.owner].rows
        follows = without_hints(rows[job.id])
        assert follows == {name: told[name] for name in follows}
        for asset in assets_of(told):
            assert rows[asset["id"]] == asset

    # The end of each history.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.drain()
        finally:
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    def drain(self) -> None:
        """Workers that do everything right leave nothing queued and nothing processing."""
        self.no_old_lease_works()
        for _ in range(2):  # what runs is reaped and has to wait; then it is done too
            self.make_everything_due()
            while lease := self.lease(0):
                self.deliver(lease)
        assert [self.lease(worker) for worker in (1, 2)] == [None, None]
        self.the_database_is_as_the_model_says()
        self.a_follower_is_told_exactly_what_changed()
        assert not any(follower.read_on() for follower in self.followers)
        for job in self.world.jobs:
            self.compare(job)
            assert not job.active, "left over for ever"
            assert self.people[1 - job.owner].get(f"jobs/{job.id}").status_code == 404
        self.every_file_is_what_was_delivered()

    def make_everything_due(self) -> None:
        Job.objects.filter(status="processing").update(lease_expires_at=PAST)
        Job.objects.filter(retry_at__isnull=False).update(retry_at=PAST)
        for job in self.world.jobs:
            job.overdue, job.due = job.status == "processing", job.delayed

    def no_old_lease_works(self) -> None:
        for attempt in Attempt.objects.exclude(ended_at=None).select_related("job"):
            if attempt.job.lease_token == attempt.lease_token:
                continue  # ended, and nobody has the job since: a replay is answered
            machine = next(m for m in self.machines if m.worker.pk == attempt.worker_id)
            old = {"job_id": str(attempt.job_id), "lease_token": str(attempt.lease_token)}
            for response in (machine.heartbeat(old), machine.report(old), machine.release(old)):
                assert response.status_code == 409
            assert machine.upload(old, 0, png(16, 16)).status_code == 409

    def every_file_is_what_was_delivered(self) -> None:
        for job in self.world.jobs:
            for slot in job.slots:
                response = self.people[job.owner].get(f"{job.media}s/{slot.id}/file")
                if slot.status != "completed":
                    assert response.status_code == 404
                    continue
                content = b"".join(response.streaming_content)
                assert hashlib.sha256(content).hexdigest() == slot.sha256
