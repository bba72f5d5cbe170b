"""Listing an owner's jobs with their assets: those on the Workspace, all, or those with given ids."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, prefetch_related_objects

from generation.catalog.prompts import literal
from generation.core.keyset import cursor_of, newest_by_id, older_than
from generation.core.text import search_key
from generation.models import Asset, Job, JobReference, JobStatus
from generation.models.job import JobQuerySet

# More waiting jobs than these are counted, and not shown.
WAITING_SHOWN = 50
PROMPTS_READ, PROMPTS_CHUNK = 2000, 250
LAST_FINISHED = "finished_at"


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs newest first with their assets; `next_cursor` is empty on the last page."""

    jobs: list[Job]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class StagedJobs:
    """The jobs on the Workspace with their assets, by section; `next_cursor` is of the finished ones.

    What runs, oldest first; the first of what waits, in the order of the queue; a page of what is finished,
    last finished first.
    """

    running: list[Job]
    waiting: list[Job]
    finished: list[Job]
    next_cursor: str

    @property
    def jobs(self) -> list[Job]:
        return [*self.running, *self.waiting, *self.finished]


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """How many of an owner's jobs run and wait, and how many results of finished ones are under review."""

    running: int
    waiting: int
    to_review: int

    @property
    def active(self) -> int:
        return self.running + self.waiting


def staged_jobs(
    *, owner_id: int, cursor: str = "", limit: int = 20, only_to_review: bool = False
) -> StagedJobs:
    """The jobs on the Workspace; after a cursor, or of those to review, finished ones alone.

    The queries do not grow with the jobs. Raises BadCursor.
    """
    mine = Job.objects.of(owner_id).select_related("project")
    finished = _to_review(owner_id, mine) if only_to_review else mine.finished()
    found = list(older_than(finished, LAST_FINISHED, cursor)[: limit + 1])
    page = found[:limit]
    following = cursor_of(getattr(page[-1], LAST_FINISHED), page[-1].pk) if len(found) > limit else ""
    is_first = not cursor and not only_to_review
    running = list(mine.running()) if is_first else []
    waiting = list(mine.waiting()[:WAITING_SHOWN]) if is_first else []
    prefetch_related_objects([*running, *waiting, *page], "assets", "references")
    return StagedJobs(running, waiting, page, following)


def waiting_jobs(*, owner_id: int) -> list[Job]:
    """The waiting jobs that the Workspace shows, in the order of the queue, with their assets."""
    return list(Job.objects.of(owner_id).waiting().select_related("project").with_slots()[:WAITING_SHOWN])


def work_counts(*, owner_id: int) -> WorkCounts:
    """Two queries, of what is in work and of what is under review alone."""
    mine = Job.objects.of(owner_id)
    active = mine.active().aggregate(
        running=Count("pk", filter=Q(status=JobStatus.PROCESSING)),
        waiting=Count("pk", filter=Q(status=JobStatus.QUEUED)),
    )
    results = Asset.objects.of(owner_id).under_review().filter(job__in=mine.finished())
    return WorkCounts(**active, to_review=results.count())


def _to_review(owner_id: int, jobs: JobQuerySet) -> JobQuerySet:
    return jobs.finished().filter(pk__in=Asset.objects.of(owner_id).under_review().values("job"))


def all_jobs(*, owner_id: int, cursor: str = "", limit: int = 50) -> JobPage:
    """A page of every job of the owner, newest first. Raises BadCursor."""
    return _page(Job.objects.of(owner_id), cursor, limit)


def versions(*, owner_id: int, cursor: str = "", limit: int = 50) -> list[tuple[object, ...]] | None:
    """What changes with any change of the page of `all_jobs`, in three queries that read no text.

    None while a job of the page has not ended: progress, and where it stands in the queue, take no revision.
    Raises BadCursor.
    """
    jobs, following = newest_by_id(
        Job.objects.of(owner_id).only("id", "revision", "finished_at"), cursor, limit
    )
    if any(job.finished_at is None for job in jobs):
        return None
    ids = [job.pk for job in jobs]
    slots = Asset.objects.filter(job__in=ids).order_by("id")
    references = JobReference.objects.filter(job__in=ids).order_by("id")
    return [
        *((job.pk, job.revision, job.finished_at) for job in jobs),
        *slots.values_list("id", "revision", "completed_at", "saved_at", "trashed_at"),
        *references.values_list("id", "reference_id"),
        (following,),
    ]


@dataclass(frozen=True, slots=True)
class PromptPage:
    """Prompts, each with the newest job that has it; `before` is where older ones begin, empty at the end."""

    prompts: list[tuple[uuid.UUID, str]]
    before: str


def earlier_prompts(*, owner_id: int, search: str = "", before: str = "", limit: int = 50) -> PromptPage:
    """The distinct prompts of the owner's jobs, newest first; with `search` those that have all its words.

    Each as it is typed: what stood for several prompts once, and signs that would stand for several escaped.
    One call reads at most PROMPTS_READ jobs, so a rare word may take several. Raises BadCursor.
    """
    words = search_key(search).split()
    found: dict[str, uuid.UUID] = {}
    others: set[str] = set()
    mine = Job.objects.of(owner_id).only("id", "prompt", "typed_prompt")
    last = None
    for _ in range(0, PROMPTS_READ, PROMPTS_CHUNK):
        jobs, before = newest_by_id(mine, before, PROMPTS_CHUNK)
        for job in jobs:
            typed = typed_prompt(job)
            if typed not in found and typed not in others:
                if not _has_words(job, words):
                    others.add(typed)
                elif len(found) == limit:
                    return PromptPage(_pairs(found), str(last))
                else:
                    found[typed] = job.pk
            last = job.pk
        if not before:
            break
    return PromptPage(_pairs(found), before)


def typed_prompt(job: Job) -> str:
    """The text for the composer that stands for the job's prompt, and for those that were typed with it."""
    return job.typed_prompt or literal(job.prompt)


def _has_words(job: Job, words: list[str]) -> bool:
    key = search_key(job.typed_prompt or job.prompt)
    return all(word in key for word in words)


def _pairs(found: dict[str, uuid.UUID]) -> list[tuple[uuid.UUID, str]]:
    return [(job_id, prompt) for prompt, job_id in found.items()]


def last_seed(*, owner_id: int) -> int | None:
    """The seed of the first result of the owner's newest job; None without a job. Two probes of an index."""
    newest = Job.objects.of(owner_id).order_by("-id").values_list("pk", flat=True)[:1]
    seeds = Asset.objects.filter(job__in=list(newest)).order_by("image_index").values_list("seed", flat=True)
    return next(iter(seeds[:1]), None)


def _page(source: JobQuerySet, cursor: str, limit: int) -> JobPage:
    return JobPage(*newest_by_id(source.with_slots().select_related("project"), cursor, limit))


def jobs_with_slots(*, owner_id: int, job_ids: Iterable[uuid.UUID]) -> list[Job]:
    """The owner's jobs with these ids, newest first, with their assets."""
    mine = Job.objects.of(owner_id).filter(pk__in=job_ids).select_related("project")
    return list(mine.with_slots().order_by("-id"))
