"""Owners, workers and time, in any order, through the real HTTP API; the model says what must come back."""

from __future__ import annotations

import hashlib
import io
import sys
import uuid
from collections import Counter
from typing import Any

from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from generation.models import Attempt, Image, Job, OwnerCounter, Video
from tests.factories import make_worker, mp4, png
from tests.generation.worker_api.conftest import Machine
from tests.properties.callers import Follower, Person, without_hints
from tests.properties.model import MAX_ATTEMPTS, MAX_SEED, Lease, Slot, Upload, World
from tests.properties.model import Job as Expected

PAST = "2020-01-01T00:00Z"
ENGINES = (("sdxl", "wan"), ("sdxl", "wan"), ("wan",))
JOB_TYPES = {
    "sdxl_image_fast": ("sdxl", "image"),
    "sdxl_image_high": ("sdxl", "image"),
    "image_fast": ("wan", "image"),
    "image7b_fast_enhanced": ("wan", "image"),
    "video_fast": ("wan", "video"),
}
Saying = tuple[int, str, int | None]  # of which slot, what, with which seed
BROKEN = b"not a picture at all"
# What a worker says of one slot; what is right comes most often.
SAYINGS = (
    *["right"] * 6,
    "again with other bytes",
    "broken",
    "for the next slot",
    "never uploaded",
    "failed, try again",
    "failed for good",
    "no such slot",
)

owners = st.integers(0, 1)
workers = st.integers(0, 2)
# Mostly the worker that the lease was given to; sometimes whoever.
callers = st.sampled_from([None, None, None, None, None, 0, 1, 2])
strangers = st.sampled_from([False, False, False, False, False, True])
sayings = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(SAYINGS), st.sampled_from([None, 0, 7])), max_size=6
)
endings = st.sampled_from(["processing", "completed", "completed", "failed"])


def content_of(job: Expected, variant: int) -> tuple[bytes, str]:
    """Real bytes; the same variant has the same bytes in every slot (pitfall 9)."""
    if job.media == "video":
        return mp4(frames=4 + variant), "video/mp4"
    return png(16, 16, shade=40 * variant), "image/png"


class Studio(RuleBasedStateMachine):
    """One example is one history of a studio with two owners and three workers."""

    jobs: Bundle[Expected] = Bundle("jobs")
    leases: Bundle[Lease] = Bundle("leases")
    uploads: Bundle[str] = Bundle("uploads")
    reports: Bundle[tuple[Lease, dict[str, Any]]] = Bundle("reports")

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.world = World(owners=2)
        self.people = [Person("ada"), Person("grace")]
        self.followers = [Follower(self.people[0], page=200), Follower(self.people[1], page=5)]
        self.machines = [Machine(make_worker(f"m{n}", ENGINES[n])) for n in range(3)]
        self.results: dict[str, str] = {}  # asset id: sha256 of its one result
        self.stored_by: dict[str, tuple[str, int]] = {}  # upload id: the lease and slot it is of
        self.touched: set[Expected] = set()

    # Owners.

    @initialize(target=jobs, quantity=st.sampled_from([3, 6]), review=st.booleans())
    def first_job(self, quantity: int, review: bool) -> Any:
        return self.submit(0, "sdxl_image_fast", quantity, "", None, review)

    @rule(
        target=jobs,
        owner=owners,
        job_type=st.sampled_from(list(JOB_TYPES)),
        quantity=st.sampled_from([1, 3, 6]),
        key=st.sampled_from(["", "", "k1", "k2"]),
        seed=st.sampled_from([None, 0, MAX_SEED]),
        review=st.booleans(),
    )
    def submits(
        self, owner: int, job_type: str, quantity: int, key: str, seed: int | None, review: bool
    ) -> Any:
        return self.submit(owner, job_type, quantity, key, seed, review)

    @rule(target=jobs, owner=owners, key=st.sampled_from(["k1", "k2"]))
    def submits_the_same_again(self, owner: int, key: str) -> Any:
        """Also when the first answer was a refusal."""
        return self.submit(owner, "image_fast", 1, key, 0, False)

    def submit(
        self, owner: int, job_type: str, quantity: int, key: str, seed: int | None, review: bool
    ) -> Any:
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
            return multiple()
        job = Expected(told["id"], owner, engine, media, review, slots_of(told))
        assert len(job.slots) == body["quantity"]
        if seed is not None:
            assert [slot.seed for slot in job.slots] == [
                (seed + n) % (MAX_SEED + 1) for n in range(len(job.slots))
            ]
        self.world.submitted(job, key, body)
        self.touched.add(job)
        return job

    @rule(job=jobs, stranger=strangers)
    def cancels(self, job: Expected, stranger: bool) -> None:
        owner = 1 - job.owner if stranger else job.owner
        response = self.people[owner].post(f"jobs/{job.id}/cancel")
        assert response.status_code == self.world.cancel(owner, job)
        self.touched.add(job)

    @rule(owner=owners)
    def cancels_everything(self, owner: int) -> None:
        active = [job for job in self.world.of(owner) if job.active]
        response = self.people[owner].post("jobs/cancel")
        assert (response.status_code, response.json()["cancelled"]) == (200, len(active))
        for job in reversed(active):
            self.world.cancel(owner, job)
        self.touched.update(active)

    @rule(job=jobs, stranger=strangers)
    def retries(self, job: Expected, stranger: bool) -> None:
        owner = 1 - job.owner if stranger else job.owner
        response = self.people[owner].post(f"jobs/{job.id}/retry")
        assert response.status_code == self.world.retry(owner, job)
        self.touched.add(job)

    @rule(
        job=jobs,
        stranger=strangers,
        picked=st.sets(st.integers(0, 5), min_size=1),
        move=st.sampled_from(["save", "discard", "discard", "restore"]),
    )
    def moves(self, job: Expected, stranger: bool, picked: set[int], move: str) -> None:
        """Save, discard, restore; also of somebody else's, which moves nothing."""
        owner = 1 - job.owner if stranger else job.owner
        chosen = [slot for slot in job.slots if slot.number in picked]
        named = {f"{job.media}s": [slot.id for slot in chosen]}
        response = self.people[owner].post(f"assets/{move}", named)
        assert response.status_code == 200, response.content
        assert response.json()["changed"] == getattr(self.world, move)(owner, chosen)
        self.touched.add(job)

    @rule(owner=owners)
    def clears(self, owner: int) -> None:
        assert self.people[owner].pages.post("/workspace/clear").status_code == 302
        self.world.clear(owner)

    # Workers.

    @rule(target=leases, worker=workers, engines=st.sampled_from([("sdxl", "wan"), ("sdxl",), ("wan",)]))
    def leases_a_job(self, worker: int, engines: tuple[str, ...]) -> Any:
        return self.lease(worker, engines)

    def lease(self, worker: int, engines: tuple[str, ...] = ("sdxl", "wan")) -> Any:
        reaped = [job for job in self.world.jobs if job.overdue]
        self.world.chores()
        waiting = self.world.waiting(set(engines) & set(ENGINES[worker]))
        response = self.machines[worker].lease(engines=list(engines))
        self.touched.update(reaped)
        if not waiting:
            assert response.status_code == 204, response.content
            return multiple()
        assert response.status_code == 200, "work waits, and none was given"
        told = response.json()
        job = next(job for job in waiting if job.id == told["job_id"])
        lease = self.world.leased(job, worker, told["lease_token"])
        assert told["attempt"] == job.attempt
        assert [(s["slot"], s["image_index"], s["asset_id"], s["seed"]) for s in told["slots"]] == [
            (slot.number, slot.index, slot.id, slot.seed) for slot in job.open_slots
        ]
        self.touched.add(job)
        return lease

    @rule(lease=leases, caller=callers, progress=st.integers(0, 100))
    def beats(self, lease: Lease, caller: int | None, progress: int) -> None:
        worker = lease.worker if caller is None else caller
        status, action = self.world.heartbeat(lease, worker)
        response = self.machines[worker].heartbeat(named(lease), progress=progress, stage="painting")
        assert response.status_code == status, response.content
        assert status != 200 or response.json()["action"] == action

    @rule(target=uploads, lease=leases, caller=callers, slot=st.integers(0, 6), variant=st.integers(0, 3))
    def stores(self, lease: Lease, caller: int | None, slot: int, variant: int) -> Any:
        worker = lease.worker if caller is None else caller
        content = content_of(lease.job, variant) if variant < 3 else (BROKEN, "image/png")
        return self.put(lease, worker, slot, content) or multiple()

    def put(self, lease: Lease, worker: int, slot: int, content: tuple[bytes, str]) -> str:
        """The id of the upload; empty where it is refused, as it must be."""
        quantity = len(lease.job.slots) + lease.job.purged
        status = self.world.upload(lease, worker, slot, quantity)
        response = self.machines[worker].upload(named(lease), slot, *content)
        assert response.status_code == status, response.content
        if status != 200:
            return ""
        told = response.json()
        assert told["sha256"] == hashlib.sha256(content[0]).hexdigest()
        assert told["valid"] == (content[0] != BROKEN)
        error = told["error"]["code"] if told["error"] else ""
        same = [u for u in self.world.uploads.values() if self.stored_by.get(u.id) == (lease.token, slot)]
        assert {u.id for u in same if u.sha256 == told["sha256"]} <= {told["upload_id"]}
        upload = Upload(told["upload_id"], lease.job, slot, told["sha256"], error)
        self.world.uploads[upload.id] = upload
        self.stored_by[upload.id] = (lease.token, slot)
        return upload.id

    @rule(target=reports, lease=leases, caller=callers, said=sayings, status=endings)
    def reports_now(self, lease: Lease, caller: int | None, said: list[Saying], status: str) -> Any:
        worker = lease.worker if caller is None else caller
        body = self.body(lease, worker, said, status)
        self.send(lease, worker, body)
        return (lease, body)

    @rule(target=reports, lease=leases, said=sayings, status=endings)
    def writes_a_report(self, lease: Lease, said: list[Saying], status: str) -> tuple[Lease, dict[str, Any]]:
        """Uploads and keeps the callback back: it comes later, out of order, or never."""
        return lease, self.body(lease, lease.worker, said, status)

    @rule(report=reports, caller=callers)
    def sends_a_report(self, report: tuple[Lease, dict[str, Any]], caller: int | None) -> None:
        """For the first time or once more."""
        lease, body = report
        self.send(lease, lease.worker if caller is None else caller, body)

    @rule(lease=leases, upload=uploads, index=st.sampled_from([None, 0, 1, 2]), status=endings)
    def names_any_upload(self, lease: Lease, upload: str, index: int | None, status: str) -> None:
        """Of another slot, another lease, another job."""
        given = {"image_index": index, "status": "completed", "upload_id": upload}
        self.send(lease, lease.worker, self.headed(lease, status, [given]))

    @rule(
        lease=leases, failing=st.integers(0, 2), why=st.sampled_from(["failed for good", "failed, try again"])
    )
    def ends_its_job(self, lease: Lease, failing: int, why: str) -> None:
        """Everything delivered but the first slots: the straight way to each end."""
        self.deliver(lease, failing, why)

    def deliver(self, lease: Lease, failing: int = 0, why: str = "") -> None:
        said: list[Saying] = [
            (lease.job.slots.index(slot), why if number < failing else "right", None)
            for number, slot in enumerate(lease.job.open_slots)
        ]
        self.send(lease, lease.worker, self.body(lease, lease.worker, said, "completed"))

    @rule(lease=leases, caller=callers)
    def releases(self, lease: Lease, caller: int | None) -> None:
        worker = lease.worker if caller is None else caller
        status = self.world.release(lease, worker)
        response = self.machines[worker].release(named(lease))
        assert response.status_code == status, response.content
        self.touched.add(lease.job)

    def headed(self, lease: Lease, status: str, assets: list[dict[str, Any]]) -> dict[str, Any]:
        return {"job_id": lease.job.id, "lease_token": lease.token, "status": status, "assets": assets}

    def body(self, lease: Lease, worker: int, said: list[Saying], status: str) -> dict[str, Any]:
        slots = lease.job.slots
        assets = [
            self.saying(lease, worker, slots[n % len(slots)], what, seed) for n, what, seed in said if slots
        ]
        return self.headed(lease, status, assets)

    def saying(self, lease: Lease, worker: int, slot: Slot, what: str, seed: int | None) -> dict[str, Any]:
        if what.startswith("failed"):
            error = {"code": "out_of_memory", "message": "", "retryable": what == "failed, try again"}
            return {"image_index": slot.index, "status": "failed", "error": error}
        variant = 2 if what == "again with other bytes" else 1
        content = (BROKEN, "image/png") if what == "broken" else content_of(lease.job, variant)
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

    @rule(lease=leases)
    def outlives_its_lease(self, lease: Lease) -> None:
        """Nobody has noticed yet."""
        if lease.job.status == "processing":
            Job.objects.filter(pk=lease.job.id).update(lease_expires_at=PAST)
            lease.job.overdue = True

    @rule(job=jobs)
    def waits_for_its_retry(self, job: Expected) -> None:
        if job.delayed:
            Job.objects.filter(pk=job.id).update(retry_at=PAST)
            job.due = True

    @rule()
    def chores_are_done(self) -> None:
        self.chores()

    def chores(self) -> None:
        self.touched.update(job for job in self.world.jobs if job.overdue)
        self.world.chores()
        call_command("maintain", once=True, stdout=io.StringIO())

    @rule(owner=owners)
    def a_month_passes_over_the_trash(self, owner: int) -> None:
        mine = {"owner": self.people[owner].user, "trashed_at__isnull": False}
        for model in (Image, Video):
            model.objects.filter(**mine).update(trashed_at=PAST)
        self.world.purge(owner)
        self.chores()

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
        for _ in range(MAX_ATTEMPTS + 1):
            Job.objects.filter(status="processing").update(lease_expires_at=PAST)
            Job.objects.filter(status="queued", retry_at__isnull=False).update(retry_at=PAST)
            for job in self.world.jobs:
                job.overdue, job.due = job.status == "processing", job.delayed
            for worker in range(len(self.machines)):
                while isinstance(lease := self.lease(worker), Lease):
                    self.deliver(lease)
        self.the_database_is_as_the_model_says()
        self.a_follower_is_told_exactly_what_changed()
        assert not any(follower.read_on() for follower in self.followers)
        for job in self.world.jobs:
            self.compare(job)
            assert not job.active, "left over for ever"
            assert self.people[1 - job.owner].get(f"jobs/{job.id}").status_code == 404
        self.every_file_is_what_was_delivered()

    def no_old_lease_works(self) -> None:
        for attempt in Attempt.objects.exclude(ended_at=None).select_related("job"):
            if attempt.job.lease_token == attempt.lease_token:
                continue
            machine = next(m for m in self.machines if m.worker.pk == attempt.worker_id)
            old = {"job_id": str(attempt.job_id), "lease_token": str(attempt.lease_token)}
            for response in (machine.heartbeat(old), machine.report(old), machine.release(old)):
                assert response.status_code == 409
            assert machine.upload(old, 0, png(16, 16)).status_code == 409

    def every_file_is_what_was_delivered(self) -> None:
        for owner, person in enumerate(self.people):
            for job in self.world.of(owner):
                for slot in job.slots:
                    path = f"{job.media}s/{slot.id}/file"
                    if slot.status != "completed":
                        assert person.get(path).status_code == 404
                        continue
                    response = person.get(path)
                    content = b"".join(response.streaming_content)
                    assert hashlib.sha256(content).hexdigest() == slot.sha256


def named(lease: Lease) -> dict[str, Any]:
    return {"job_id": lease.job.id, "lease_token": lease.token}


def assets_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [*told["images"], *([told["video"]] if told["video"] else [])]


def slots_of(told: dict[str, Any]) -> list[Slot]:
    return [
        Slot(asset["id"], number, asset.get("image_index"), asset["seed"])
        for number, asset in enumerate(assets_of(told))
    ]


def as_told(told: dict[str, Any]) -> dict[str, Any]:
    assets = {
        asset["id"]: (
            asset.get("image_index"),
            asset["status"],
            asset["sha256"],
            asset["seed"],
            (asset["error"] or {}).get("code", ""),
            asset["saved_at"] is not None,
            asset["trashed_at"] is not None,
        )
        for asset in assets_of(told)
    }
    error = (told["error"] or {}).get("code", "")
    return {
        "job": (told["status"], error, told["attempt"], told["cleared_at"] is not None),
        "ended": told["finished_at"] is not None,
        "assets": assets,
    }


def as_expected(job: Expected) -> dict[str, Any]:
    assets = {
        slot.id: (slot.index, slot.status, slot.sha256, slot.seed, slot.error, slot.saved, slot.trashed)
        for slot in job.slots
    }
    return {
        "job": (job.status, job.error, job.attempt, job.cleared),
        "ended": not job.active,
        "assets": assets,
    }


def check_rows(world: World, people: list[Person], results: dict[str, str]) -> None:
    """The rows themselves, past every view."""
    jobs = {str(job.pk): job for job in Job.objects.all()}
    assets = [*Image.objects.all(), *Video.objects.all()]
    assert len(jobs) == len(world.jobs)
    assert len(assets) == sum(job.quantity for job in jobs.values()) - sum(job.purged for job in world.jobs)
    running = Counter(map(str, Attempt.objects.filter(ended_at=None).values_list("job_id", flat=True)))
    for expected in world.jobs:
        check_job(jobs[expected.id], expected, running[expected.id])
    slots = {slot.id: slot for job in world.jobs for slot in job.slots}
    for asset in assets:
        assert asset.status == slots[str(asset.pk)].status
        if asset.status == "completed":
            assert results.setdefault(str(asset.pk), asset.sha256) == asset.sha256, "a result was replaced"
            assert default_storage.exists(asset.file.name)
            assert default_storage.exists(asset.thumbnail.name)
        else:
            assert str(asset.pk) not in results, "a completed slot changed back"
    for owner, person in enumerate(people):
        check_revisions(world, owner, person, [*jobs.values(), *assets])


def check_job(job: Job, expected: Expected, running: int) -> None:
    held = job.status == "processing"
    assert job.status == expected.status
    assert running == held
    assert (job.lease_expires_at is not None) == held
    assert str(job.lease_token or "") == expected.token
    assert (job.attempt, job.attempts_left) == (expected.attempt, expected.attempts_left)
    assert (job.retry_at is not None) == expected.delayed
    assert (job.finished_at is not None) == (not expected.active)


def check_revisions(world: World, owner: int, person: Person, rows: list[Any]) -> None:
    mine = [row.revision for row in rows if row.owner_id == person.user.pk]
    counter = OwnerCounter.objects.filter(pk=person.user.pk).values_list("revision", flat=True).first() or 0
    assert counter == world.revision[owner]
    assert len(set(mine)) == len(mine)
    assert max(mine, default=0) <= counter
