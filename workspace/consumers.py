from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from generation import feed
from generation.feed import Changes
from generation.live import LiveConsumer
from generation.models import Job
from workspace.stacks import Stack


class WorkspaceConsumer(LiveConsumer):
    """Sends each changed job as the stack that the page itself would show."""

    def render(self, changes: Changes) -> dict[str, Any]:
        jobs = feed.jobs_with_slots(owner_id=self.owner_id, job_ids=changes.job_ids)
        return {"jobs": [pushed(job) for job in jobs]}


def pushed(job: Job) -> dict[str, object]:
    """One job of a `changes` message; a cleared one has left the page."""
    if job.cleared_at:
        return {"id": str(job.pk), "html": "", "removed": True}
    html = render_to_string("workspace/_stack.html", {"stack": Stack(job)})
    return {"id": str(job.pk), "html": html, "removed": False}
