"""What the model keeps of a job, its slots, leases and uploads."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_ATTEMPTS = 3
MAX_ACTIVE_JOBS = 3
MAX_SEED = 2**32 - 1
RETRYABLE = ("failed", "partial", "cancelled")


@dataclass(eq=False)
class Slot:
    """One expected result."""

    id: str
    number: int
    index: int | None
    seed: int
    status: str = "queued"
    sha256: str = ""
    error: str = ""
    saved: bool = False
    trashed: bool = False

    @property
    def under_review(self) -> bool:
        return self.status == "completed" and not self.saved and not self.trashed


@dataclass(eq=False)
class Job:
    """`token` is the fence: that of the current or the last lease, until somebody takes it away."""

    id: str
    owner: int
    engine: str
    media: str
    review: bool
    slots: list[Slot]
    purged: int = 0
    status: str = "queued"
    error: str = ""
    token: str = ""
    holder: int = -1
    is_kept: bool = False
    held_by: set[int] = field(default_factory=set)
    attempt: int = 0
    attempts_left: int = MAX_ATTEMPTS
    overdue: bool = False
    delayed: bool = False
    due: bool = False
    cleared: bool = False

    @property
    def active(self) -> bool:
        return self.status in ("queued", "processing")

    @property
    def quantity(self) -> int:
        return len(self.slots) + self.purged

    @property
    def open_slots(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.status == "queued"]

    def holds(self, worker: int, token: str) -> bool:
        return self.token == token and self.holder == worker

    def may_be_kept_from(self, worker: int) -> bool:
        """Whether its next attempt may be for others: this worker was the last, and did not give it back."""
        return self.holder == worker and self.is_kept

    def derived(self) -> str:
        completed = [slot.status == "completed" for slot in self.slots]
        if all(completed):
            return "completed"
        return "partial" if any(completed) else "failed"


@dataclass(frozen=True)
class Lease:
    job: Job
    token: str
    worker: int


@dataclass(frozen=True)
class Upload:
    id: str
    job: Job
    slot: int
    sha256: str
    error: str
