"""What workers do: right, wrong, late, twice, and with what is somebody else's."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.factories import mp4, png
from tests.properties.records import Job, Lease, Slot, Upload
from tests.properties.studio import BOTH, ENGINES, Chance, Studio

LOOKED_AT = 8  # first jobs of a pool, by a claim
BROKEN = (b"not a picture at all", "image/png")
# What a worker says of one slot; what is right comes most often.
SAYINGS = (
    *["right"] * 4,
    *["again with other bytes"] * 2,
    "broken",
    "for the next slot",
    "never uploaded",
    *["failed, try again"] * 2,
    *["failed for good"] * 2,
    "no such slot",
)
ENDINGS = ("processing", "processing", "completed", "failed")


def content_of(job: Job, variant: int) -> tuple[bytes, str]:
    """Real bytes; the same variant has the same bytes in every slot (pitfall 9)."""
    if job.media == "video":
        return mp4(frames=4 + variant), "video/mp4"
    return png(16, 16, shade=40 * variant), "image/png"


def named(lease: Lease) -> dict[str, Any]:
    return {"job_id": lease.job.id, "lease_token": lease.token}


class Workers(Studio):
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
        if response.status_code == 204:
            # What it failed may be kept for others; of a pool whose first jobs all are, none is given.
            kept = Counter(job.engine for job in waiting if job.may_be_kept_from(worker))
            free = [job for job in waiting if not job.may_be_kept_from(worker)]
            assert all(kept[job.engine] >= LOOKED_AT for job in free), "work waits, and none was given"
            return None
        assert response.status_code == 200, response.content
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
        for _ in range(chance.of([1, 1, 2])):  # twice where the answer was lost
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
        uploads = list(self.world.uploads.values())
        upload = chance.mostly([each for each in uploads if each.job is not lease.job], uploads)
        fitting = [slot.index for slot in lease.job.open_slots if slot.number == upload.slot]
        index = chance.mostly(fitting, [None, 0, 1, 2])
        given = {"image_index": index, "status": "completed", "upload_id": upload.id}
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
