from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

from generation.changes.feed import Changes
from generation.jobs import listing as job_listing
from generation.live.consumer import LiveConsumer
from generation.live.pages import LivePage
from workspace.presenters import Stack, stacks_of


@dataclass(frozen=True, slots=True)
class WorkspacePage(LivePage):
    """Sends each changed job as the stack that the page itself would show."""

    def render(self, changes: Changes) -> dict[str, Any]:
        jobs = job_listing.jobs_with_slots(owner_id=self.owner_id, job_ids=changes.job_ids)
        removed = changes.job_ids - {job.pk for job in jobs}
        stacks = [pushed_stack(stack) for stack in stacks_of(jobs)]
        return {"jobs": stacks + [removed_stack(job_id) for job_id in removed]}

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


def removed_stack(job_id: uuid.UUID) -> dict[str, object]:
    return {"id": str(job_id), "html": "", "removed": True}
