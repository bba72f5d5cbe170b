"""What must be, in plain Python: the rules of jobs and slots written down a second time, without a database.

Written from docs/worker-protocol.md and docs/architecture.md, so that the product and this can only be wrong
together where both misread the same sentence. It knows nothing of rows and locks, of HTTP only the statuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.properties.records import MAX_ACTIVE_JOBS, MAX_ATTEMPTS, RETRYABLE, Job, Lease, Slot, Upload

Receipt = dict[str, Any]


class World:
    """Every job, and for each owner how many changes there were and what changed since the last look."""

    def __init__(self, owners: int) -> None:
        self.jobs: list[Job] = []
        self.uploads: dict[str, Upload] = {}
        self.keys: dict[tuple[int, str], tuple[dict[str, Any], Job]] = {}
        self.revision = [0] * owners
        self.changed: list[set[str]] = [set() for _ in range(owners)]

    def of(self, owner: int) -> list[Job]:
        return [job for job in self.jobs if job.owner == owner]

    def _bump(self, owner: int, ids: Iterable[str]) -> None:
        """Every changed row takes the next number of its owner: no gap, none twice."""
        found = set(ids)
        self.revision[owner] += len(found)
        self.changed[owner] |= found

    def _wrote(self, job: Job, slots: Iterable[Slot] = ()) -> None:
        self._bump(job.owner, {job.id, *(slot.id for slot in slots)})

    # What owners do.

    def submission(self, owner: int, key: str, body: dict[str, Any]) -> tuple[int, Job | None]:
        """The status of the answer, and the job when it is one that was made before."""
        if key and (owner, key) in self.keys:
            known, job = self.keys[owner, key]
            return (201, job) if known == body else (422, None)
        return (429 if self._at_the_limit(owner) else 201), None

    def _at_the_limit(self, owner: int) -> bool:
        return sum(job.active for job in self.of(owner)) >= MAX_ACTIVE_JOBS

    def submitted(self, job: Job, key: str, body: dict[str, Any]) -> None:
        self.jobs.append(job)
        if key:
            self.keys[job.owner, key] = (body, job)
        self._wrote(job, job.slots)

    def cancel(self, owner: int, job: Job) -> int:
        if job.owner != owner:
            return 404
        if job.active:
            stopped = job.open_slots
            for slot in stopped:
                slot.status = "cancelled"
            self._end(job, "cancelled" if stopped else job.derived())
            self._wrote(job, stopped)
        return 200

    def retry(self, owner: int, job: Job) -> int:
        if job.owner != owner:
            return 404
        if job.status not in RETRYABLE:
            return 409
        if self._at_the_limit(owner):
            return 429
        again = [slot for slot in job.slots if slot.status != "completed"]
        for slot in again:
            slot.status, slot.error = "queued", ""
        job.status, job.error, job.token = "queued", "", ""
        job.attempts_left, job.cleared = MAX_ATTEMPTS, False
        self._wrote(job, again)
        return 200

    def save(self, owner: int, slots: Sequence[Slot]) -> int:
        return self._move(owner, slots, lambda slot: slot.under_review, saved=True)

    def discard(self, owner: int, slots: Sequence[Slot]) -> int:
        return self._move(
            owner, slots, lambda slot: slot.status == "completed" and not slot.trashed, trashed=True
        )

    def restore(self, owner: int, slots: Sequence[Slot]) -> int:
        for job in self.of(owner):
            if job.cleared and any(slot in slots and slot.trashed and not slot.saved for slot in job.slots):
                job.cleared = False
                self._wrote(job)
        return self._move(owner, slots, lambda slot: slot.trashed, trashed=False)

    def _move(self, owner: int, slots: Sequence[Slot], fits: Callable[[Slot], bool], **change: bool) -> int:
        own = [slot for job in self.of(owner) for slot in job.slots]
        moved = [slot for slot in own if slot in slots and fits(slot)]
        for slot in moved:
            for name, value in change.items():
                setattr(slot, name, value)
        self._bump(owner, [slot.id for slot in moved])
        return len(moved)

    def clear(self, owner: int) -> None:
        for job in self.of(owner):
            if not job.cleared and not job.active and not any(slot.under_review for slot in job.slots):
                job.cleared = True
                self._wrote(job)

    def purge(self, owner: int) -> None:
        """What lies in the trash, for good."""
        for job in self.of(owner):
            gone = [slot for slot in job.slots if slot.trashed]
            job.slots = [slot for slot in job.slots if not slot.trashed]
            job.purged += len(gone)
            self._bump(owner, [slot.id for slot in gone])

    # What time does.

    def chores(self) -> None:
        for job in self.jobs:
            if job.delayed and job.due:
                job.delayed = job.due = False
            if job.status == "processing" and job.overdue:
                failed = self._finish_or_requeue(job, "worker_lost", delay=True)
                job.token = ""
                self._wrote(job, failed)

    # What workers do.

    def waiting(self, engines: Iterable[str]) -> list[Job]:
        return [
            job for job in self.jobs if job.status == "queued" and not job.delayed and job.engine in engines
        ]

    def leased(self, job: Job, worker: int, token: str) -> Lease:
        job.status, job.token, job.holder, job.is_kept = "processing", token, worker, True
        job.held_by.add(worker)
        job.attempt += 1
        job.attempts_left -= 1
        job.overdue = False
        self._wrote(job)
        return Lease(job, token, worker)

    def heartbeat(self, lease: Lease, worker: int) -> tuple[int, str]:
        job = lease.job
        if not job.holds(worker, lease.token) or job.status not in ("processing", "cancelled"):
            return self._refused(job, worker), ""
        if job.status == "cancelled":
            return 200, "cancel"
        job.overdue = False
        return 200, "continue"

    def upload(self, lease: Lease, worker: int, slot: int) -> int:
        job = lease.job
        if not job.holds(worker, lease.token) or job.status != "processing":
            return self._refused(job, worker)
        return 200 if slot < job.quantity else 404

    def release(self, lease: Lease, worker: int) -> int:
        job = lease.job
        if not job.holds(worker, lease.token):
            return self._refused(job, worker)
        if job.status == "processing":
            job.attempts_left += 1
            self._finish_or_requeue(job, "worker_lost", delay=False)
            job.token, job.is_kept = "", False
            self._wrote(job)
        return 204

    def callback(self, lease: Lease, worker: int, body: dict[str, Any]) -> tuple[int, Receipt]:
        job = lease.job
        if not job.holds(worker, lease.token):
            return self._refused(job, worker), {}
        live = job.status == "processing"
        receipt: Receipt = {"accepted": [], "duplicate": [], "rejected": []}
        touched = [slot for given in body["assets"] if (slot := self._take(job, given, receipt, live=live))]
        if live:
            if body["status"] == "processing":
                job.overdue = False
            else:
                reason = "worker_error" if body["status"] == "failed" else "not_delivered"
                touched += self._finish_or_requeue(job, reason, delay=True)
            self._wrote(job, touched)
        return 200, receipt | {"job_status": job.status}

    def _refused(self, job: Job, worker: int) -> int:
        return 409 if worker in job.held_by else 404

    def _take(self, job: Job, given: dict[str, Any], receipt: Receipt, *, live: bool) -> Slot | None:
        """Put one reported asset into a list of the receipt; its slot where that changes."""
        index = given["image_index"]
        slot = next((slot for slot in job.slots if slot.index == index), None)
        upload = self.uploads.get(given.get("upload_id", ""))
        if upload and upload.job is not job:
            upload = None
        answer = self._judged(slot, given, upload, live=live)
        if answer in ("accepted", "duplicate"):
            receipt[answer].append(index)
        else:
            receipt["rejected"].append((index, answer))
        if slot is None or not live or slot.status != "queued":
            return None
        if given["status"] == "failed":
            slot.error = given["error"]["code"]
            slot.status = "queued" if given["error"]["retryable"] else "failed"
            return slot
        if answer == "accepted":
            assert upload is not None
            slot.status, slot.error, slot.sha256 = "completed", "", upload.sha256
            slot.saved = not job.review
            slot.seed = given.get("seed", slot.seed)
            return slot
        if upload and answer == upload.error:
            slot.error = answer
            return slot
        return None

    def _judged(self, slot: Slot | None, given: dict[str, Any], upload: Upload | None, *, live: bool) -> str:
        if slot is None:
            return "unknown_index"
        delivers = given["status"] == "completed"
        if slot.status == "completed":
            return "duplicate" if delivers and upload and upload.sha256 == slot.sha256 else "conflict"
        if slot.status == "cancelled":
            return "discarded"
        if not delivers:
            return "accepted" if live and slot.status == "queued" else "duplicate"
        if live and slot.status == "failed":
            return "conflict"
        return self._judged_upload(slot, upload, live=live)

    def _judged_upload(self, slot: Slot, upload: Upload | None, *, live: bool) -> str:
        if not live and (upload is None or not upload.error):
            return "discarded"
        if upload is None or upload.slot != slot.number:
            return "unknown_upload"
        return upload.error or "accepted"

    def _finish_or_requeue(self, job: Job, reason: str, *, delay: bool) -> list[Slot]:
        """Queued again while slots are open and attempts are left, else ended; the slots that failed."""
        left = job.open_slots
        if left and job.attempts_left > 0:
            job.status, job.delayed, job.due, job.overdue = "queued", delay, False, False
            return []
        for slot in left:
            slot.status, slot.error = "failed", slot.error or reason
        self._end(job, job.derived())
        job.error = next((slot.error for slot in job.slots if slot.status == "failed"), "")
        return left

    @staticmethod
    def _end(job: Job, status: str) -> None:
        job.status = status
        job.overdue = job.delayed = job.due = False
