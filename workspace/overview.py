"""What the Workspace says of all of an owner's jobs: how many there are, and how long each has to wait.

Each part is an element with an id, by the partial that the page itself includes. It moves with other people's
work and with the time, so no revision tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

from generation.changes import revisions
from generation.jobs.listing import WorkCounts, waiting_jobs, work_counts
from generation.queue.snapshot import Snapshot
from workspace.presenters import Stack, stacks_of

# Of the page, each with its partial.
PARTS = ("work", "hidden", "review", "workers")


@dataclass(frozen=True, slots=True)
class Overview:
    """How much work and how many workers there are.

    `hidden` waiting jobs are not on the page; `is_paused` says whether the owner's jobs are held.
    """

    counts: WorkCounts
    hidden: int
    is_paused: bool
    workers: int


def overview_of(owner_id: int, *, shown: int) -> Overview:
    """`shown` is how many waiting jobs the page shows."""
    counts = work_counts(owner_id=owner_id)
    is_paused = revisions.queue_paused_at(owner_id) is not None
    return Overview(counts, max(0, counts.waiting - shown), is_paused, live_workers())


def live_workers() -> int:
    return len(Snapshot().live_workers)


def waiting_stacks(owner_id: int) -> list[Stack]:
    """The waiting jobs that the page shows; the queries do not grow with them."""
    return stacks_of(waiting_jobs(owner_id=owner_id))


def parts_of(owner_id: int, waiting: Sequence[Stack]) -> list[dict[str, str]]:
    """The parts as they are now, to replace those of open pages; `waiting` is what these show."""
    overview = overview_of(owner_id, shown=len(waiting))
    places = [_part(f"place-{stack.job.pk}", "place", {"stack": stack}) for stack in waiting]
    return places + [_part(name, name, {"overview": overview}) for name in PARTS]


def workers_part() -> dict[str, str]:
    """The part that changes also where nothing waits."""
    return _part("workers", "workers", {"overview": {"workers": live_workers()}})


def _part(element_id: str, partial: str, context: dict[str, object]) -> dict[str, str]:
    return {"id": element_id, "html": render_to_string(f"workspace/_{partial}.html", context)}
