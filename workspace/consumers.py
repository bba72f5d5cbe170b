from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

from generation.changes.feed import Changes
from generation.jobs import listing as job_listing
from generation.live.consumer import LiveConsumer
from generation.live.pages import LivePage
from workspace.overview import parts_of, waiting_stacks, workers_part
from workspace.presenters import WAITING, Stack, stacks_of


@dataclass(frozen=True, slots=True)
class WorkspacePage(LivePage):
    """Sends each changed job as the stack that the page itself would show, and what is said of all jobs."""

    def render(self, changes: Changes) -> dict[str, Any]:
        jobs = job_listing.jobs_with_slots(owner_id=self.owner_id, job_ids=changes.job_ids)
        stacks, waiting = stacks_of(jobs), waiting_stacks(self.owner_id)
        elsewhere = [stack for stack in stacks if stack.section != WAITING]
        # What waited out of sight comes up as others leave the queue.
        news = {stack.job.pk for stack in stacks}
        news |= {stack.job.pk for stack in waiting[max(0, job_listing.WAITING_SHOWN - len(elsewhere)) :]}
        shown = elsewhere + [stack for stack in waiting if stack.job.pk in news]
        removed = (changes.job_ids | news) - {stack.job.pk for stack in shown}
        return {
            "jobs": [*map(pushed_stack, shown), *map(removed_stack, removed)],
            "parts": parts_of(self.owner_id, waiting),
            "moves": True,
        }

    def render_moving(self) -> dict[str, Any] | None:
        """Places in the queue, and the workers, who come and go without a revision."""
        waiting = waiting_stacks(self.owner_id)
        return {"parts": parts_of(self.owner_id, waiting) if waiting else [workers_part()]}

    def render_progress(self, job_id: uuid.UUID) -> dict[str, Any] | None:
        jobs = job_listing.jobs_with_slots(owner_id=self.owner_id, job_ids=[job_id])
        return {"jobs": [pushed_stack(stack) for stack in stacks_of(jobs)]} if jobs else None


class WorkspaceConsumer(LiveConsumer):
    def page_of(self, owner_id: int) -> WorkspacePage:
        return WorkspacePage(owner_id)


def pushed_stack(stack: Stack) -> dict[str, object]:
    """One job of a `changes` message; a cleared one has left the page."""
    if stack.job.cleared_at:
        return removed_stack(stack.job.pk)
    html = render_to_string("workspace/_stack.html", {"stack": stack})
    return {"id": str(stack.job.pk), "html": html, "removed": False}


def pushed_stacks(
    owner_id: int, job_ids: Sequence[uuid.UUID], waiting: Sequence[Stack]
) -> list[dict[str, object]]:
    """These jobs as the page shows them; `waiting` is what it shows of the queue."""
    shown = {stack.job.pk: stack for stack in waiting}
    missing = [job_id for job_id in job_ids if job_id not in shown]
    jobs = job_listing.jobs_with_slots(owner_id=owner_id, job_ids=missing) if missing else []
    shown |= {stack.job.pk: stack for stack in stacks_of(jobs) if stack.section != WAITING}
    return [pushed_stack(shown[each]) if each in shown else removed_stack(each) for each in job_ids]


def removed_stack(job_id: uuid.UUID) -> dict[str, object]:
    return {"id": str(job_id), "html": "", "removed": True}
