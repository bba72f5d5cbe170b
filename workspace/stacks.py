"""A job as the Workspace shows it: a stack of cards, built from prefetched rows without a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generation.estimates import Place, places
from generation.models import Asset, AssetStatus, Job, JobStatus


@dataclass(frozen=True, slots=True)
class Card:
    """One slot. `phase` is done, running, waiting, failed or cancelled; `number` counts from 1."""

    asset: Asset
    phase: str
    number: int
    under_review: bool

    @property
    def kept(self) -> bool:
        """In the Library."""
        return self.asset.saved_at is not None


class Stack:
    """A job with its cards. Discarded results have no card; `counts` still include them."""

    def __init__(self, job: Job, place: Place | None = None) -> None:
        slots = job.slots
        self.job = job
        self.place = place
        self.total = len(slots)
        self.revision = max([job.revision, *(asset.revision for asset in slots)])
        self.done = _count(slots, AssetStatus.COMPLETED)
        self.failed = _count(slots, AssetStatus.FAILED)
        self.discarded = sum(asset.trashed_at is not None for asset in slots)
        self.cards = [
            Card(asset, phase, asset.slot + 1, _under_review(asset))
            for asset, phase in _phases(job, slots)
            if asset.trashed_at is None
        ]
        self.to_review = sum(card.under_review for card in self.cards)

    @property
    def title(self) -> str:
        return self.job.type.title

    @property
    def usually(self) -> str:
        """How long the whole job takes on an idle worker, in words."""
        return duration(self.job.type.estimate(self.job.quantity))

    @property
    def line(self) -> str:
        """How a queued job stands, as far as that is known."""
        if self.job.retry_at:
            return "trying again shortly"
        place = self.place
        if place is None or not place.served:
            return "waits until a worker for it is running"
        if place.position is None:
            return "far back in the line"
        where = "next in line" if place.position == 1 else f"number {place.position} in line"
        return where if place.done_in is None else f"{where}, done in about {duration(place.done_in)}"

    @property
    def shape(self) -> str:
        """wide, tall or square: how many cards go into a row."""
        if self.job.width > self.job.height:
            return "wide"
        return "tall" if self.job.width < self.job.height else "square"

    @property
    def can_clear(self) -> bool:
        return not self.job.is_active and not self.to_review

    @property
    def reason(self) -> str:
        """Why slots failed, or why the last attempt did, in words."""
        if self.failed:
            return self.job.error_message or next(
                (card.asset.error_message for card in self.cards if card.phase == "failed"), ""
            )
        return ""

    @property
    def seeds(self) -> str:
        return ", ".join(str(card.asset.seed) for card in self.cards)


def stacks_of(jobs: Sequence[Job]) -> list[Stack]:
    """The jobs as stacks, with their places in the queue; the queries do not grow with them."""
    known = places(jobs)
    return [Stack(job, known.get(job.pk)) for job in jobs]


def duration(seconds: int) -> str:
    """A rough length of time, as people say it."""
    return f"{seconds} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _count(slots: list[Asset], status: AssetStatus) -> int:
    return sum(asset.status == status for asset in slots)


def _under_review(asset: Asset) -> bool:
    return asset.status == AssetStatus.COMPLETED and asset.saved_at is None and asset.trashed_at is None


def _phases(job: Job, slots: list[Asset]) -> list[tuple[Asset, str]]:
    """Progress is the whole job's, so only the first open slot of a running job shows it."""
    phases = []
    running = job.status == JobStatus.PROCESSING
    for asset in slots:
        if asset.status == AssetStatus.QUEUED:
            phases.append((asset, "running" if running else "waiting"))
            running = False
        else:
            phases.append((asset, "done" if asset.status == AssetStatus.COMPLETED else asset.status))
    return phases
