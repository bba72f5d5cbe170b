"""Presenters of the Workspace: a job as a stack of cards, built from prefetched rows without a query."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from generation.assets.review import is_undecided, is_under_review, rest_beside
from generation.assets.selection import MAX_COMPARED, as_query
from generation.core.errors import JobNotFound
from generation.jobs.listing import jobs_with_slots
from generation.jobs.model_words import model_titles, setting_words
from generation.jobs.progress import JobProgress, progress_of
from generation.models import Asset, AssetStatus, Job, JobStatus
from generation.queue.estimates import QueuePosition, queue_positions
from generation.queue.snapshot import Snapshot
from workspace.estimates import duration, position_in_words

# The sections of the page, by what a job does.
RUNNING, WAITING, FINISHED = SECTIONS = ("running", "waiting", "finished")
LOWEST_PRIORITY = 32_767


@dataclass(frozen=True, slots=True)
class Card:
    """One slot. `phase` is done, running, waiting, failed or cancelled; `number` counts from 1.

    `preview` is the version of its newest preview, empty without one.
    """

    asset: Asset
    phase: str
    number: int
    under_review: bool
    preview: str = ""

    @property
    def is_saved(self) -> bool:
        """Whether the asset is in the Library."""
        return self.asset.saved_at is not None


class Stack:
    """A job with its cards. Discarded results have no card; `total` and `done` still include them."""

    def __init__(
        self,
        job: Job,
        position: QueuePosition | None = None,
        progress: JobProgress | None = None,
        *,
        is_next: bool = False,
        model_title: str = "",
    ) -> None:
        slots = job.slots
        self.model_title = model_title or job.model
        self.job = job
        self.section = section_of(job)
        self.is_open = self.section != WAITING or is_next
        self.position = position
        self.progress = progress or JobProgress()
        self.total = len(slots)
        self.revision = max([job.revision, *(asset.revision for asset in slots)])
        self.done = _count(slots, AssetStatus.COMPLETED)
        self.failed = _count(slots, AssetStatus.FAILED)
        self.discarded = sum(asset.trashed_at is not None for asset in slots)
        self.cards = [
            Card(asset, self._phase(asset), asset.slot + 1, is_under_review(asset), self._preview(asset))
            for asset in slots
            if asset.trashed_at is None
        ]
        self.to_review = [card.asset.pk for card in self.cards if card.under_review]
        self.undecided = sum(is_undecided(card.asset) for card in self.cards)

    @property
    def key(self) -> str:
        """Its place in its section: among equals the jobs' ids decide. A key of finished jobs falls."""
        if self.section == WAITING:
            return f"{LOWEST_PRIORITY - self.job.priority:05d}.{self.job.fair_tag:019d}"
        return f"{self.job.finished_at:%Y%m%d%H%M%S%f}" if self.job.finished_at else ""

    @property
    def title(self) -> str:
        """The model, if it has one, and the job type."""
        return " · ".join(filter(None, [self.model_title, self.job.type.title]))

    @property
    def settings_text(self) -> str:
        """What was chosen of its model's offer; empty where nothing was."""
        return ", ".join(f"{label} {value}" for label, value in setting_words(self.job))

    @property
    def estimated_time(self) -> str:
        """The estimated run time of the whole job alone, in words; empty unless it waits."""
        runs_for = self.position.runs_for if self.position else None
        return duration(runs_for) if runs_for else ""

    @property
    def queue_text(self) -> str:
        """A queued job's position and estimate in words, as far as known."""
        if self.job.held_at:
            return "waits: your queue is paused"
        if self.job.retry_at:
            return "trying again shortly"
        position = self.position
        if position is None or not position.served:
            return self._unserved_text
        return position_in_words(position)

    @property
    def _unserved_text(self) -> str:
        if types := [used.get_type_display().lower() for used in self.job.sorted_references]:
            plural = "s" if len(types) > 1 else ""
            return f"waits: no running worker can use its {' and '.join(types)} reference{plural}"
        if self.job.model:
            return f"waits: no worker with {self.model_title} is running"
        return "waits until a worker for it is running"

    @property
    def time_left(self) -> str:
        """A running job's remaining time in words, by its worker's speed and its own progress."""
        return duration(self.progress.seconds_left)

    @property
    def orientation(self) -> str:
        """`wide`, `tall` or `square`: determines how many cards fit into a row."""
        if self.job.width > self.job.height:
            return "wide"
        return "tall" if self.job.width < self.job.height else "square"

    @property
    def can_clear(self) -> bool:
        return not self.job.is_active and not self.to_review

    @property
    def to_retry(self) -> int:
        """How many slots of an ended job did not complete."""
        return self.total - self.done if self.job.can_retry else 0

    @property
    def can_retry_slot(self) -> bool:
        """Whether one that failed can be tried again by itself."""
        return self.job.can_retry or self.section == WAITING

    @property
    def error(self) -> str:
        """The error of the job, or of its first failed slot; empty when no slot failed."""
        if self.failed:
            return self.job.error_message or next(
                (card.asset.error_message for card in self.cards if card.phase == "failed"), ""
            )
        return ""

    @property
    def is_decided_in_part(self) -> bool:
        """Whether some of its results were saved, rated or are favourites, and others wait for that."""
        return 0 < self.undecided < sum(card.phase == "done" for card in self.cards)

    @property
    def is_saved_in_part(self) -> bool:
        """Whether some of its results were saved, and others wait for that."""
        return bool(self.to_review) and any(card.is_saved for card in self.cards)

    def rest_beside(self, card: Card) -> int:
        """How many results go when this one is kept as the best."""
        results = [other.asset for other in self.cards]
        return len(rest_beside(card.asset, results, review=self.job.review))

    @property
    def to_compare(self) -> list[uuid.UUID]:
        """The first of its results that can be compared; empty with fewer than two."""
        done = [card.asset.pk for card in self.cards if card.phase == "done"]
        return done[:MAX_COMPARED] if len(done) > 1 else []

    @property
    def compare_query(self) -> str:
        return as_query(self.to_compare)

    @property
    def seeds(self) -> str:
        return ", ".join(str(card.asset.seed) for card in self.cards if card.asset.seed is not None)

    def _phase(self, asset: Asset) -> str:
        if asset.status == AssetStatus.COMPLETED:
            return "done"
        if asset.status != AssetStatus.QUEUED:
            return asset.status
        in_work = self.job.status == JobStatus.PROCESSING and asset.slot == self.progress.slot
        return "running" if in_work else "waiting"

    def _preview(self, asset: Asset) -> str:
        return self.progress.previews.get(asset.slot, "") if asset.status == AssetStatus.QUEUED else ""


def owned_stack(owner_id: int, job_id: uuid.UUID) -> Stack:
    """The owner's job as a stack. Raises JobNotFound."""
    for job in jobs_with_slots(owner_id=owner_id, job_ids=[job_id]):
        return Stack(job, model_title=model_titles([job]).get(job.model, ""))
    raise JobNotFound


def stacks_of(jobs: Sequence[Job]) -> list[Stack]:
    """One owner's jobs as stacks with queue positions and progress; the queries do not grow with them."""
    snapshot = Snapshot(job.pool for job in jobs if job.status == JobStatus.QUEUED)
    positions, progress = queue_positions(jobs, snapshot), progress_of(jobs, snapshot)
    next_job, titles = _next_job(jobs), model_titles(jobs)
    return [
        Stack(
            job,
            positions.get(job.pk),
            progress.get(job.pk),
            is_next=job.pk in next_job,
            model_title=titles.get(job.model, ""),
        )
        for job in jobs
    ]


def stacks_by_section(jobs: Sequence[Job]) -> dict[str, list[Stack]]:
    """The jobs' stacks by their section, in the jobs' order."""
    stacks = stacks_of(jobs)
    return {name: [stack for stack in stacks if stack.section == name] for name in SECTIONS}


def section_of(job: Job) -> str:
    if job.status == JobStatus.PROCESSING:
        return RUNNING
    return WAITING if job.status == JobStatus.QUEUED else FINISHED


def _next_job(jobs: Sequence[Job]) -> set[uuid.UUID]:
    """The job that is their owner's next; no query if none of them waits."""
    owner = next((job.owner_id for job in jobs if job.status == JobStatus.QUEUED), None)
    return set(Job.objects.of(owner).waiting().values_list("pk", flat=True)[:1]) if owner else set()


def _count(slots: list[Asset], status: AssetStatus) -> int:
    return sum(asset.status == status for asset in slots)
