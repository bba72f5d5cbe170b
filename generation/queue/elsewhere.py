"""Retries go to another worker: what one failed is kept for the others for a while."""

from __future__ import annotations

from django.db.models.expressions import CombinedExpression

from generation.core.clock import from_now
from generation.models import Job, Worker

# From when the job may be claimed again. As long as a film takes that another worker is in the middle of;
# then the last worker may try again too, so that no job waits for one that went away.
ELSEWHERE_SECONDS = 300
MAX_WORKERS = 100  # those seen last


def elsewhere_until(job: Job, *, delay_seconds: float = 0) -> CombinedExpression | None:
    """Until when the job's next attempt is for other workers than its last one.

    None where no other live worker offers its pool. `delay_seconds`: until it may be claimed at all.
    """
    if job.leased_by_id is None:
        return None
    others = Worker.objects.live().exclude(pk=job.leased_by_id).order_by("-last_seen_at", "pk")
    offers = others.values_list("pools", flat=True)[:MAX_WORKERS]
    is_offered = any(job.pool in pools for pools in offers)
    return from_now(delay_seconds + ELSEWHERE_SECONDS) if is_offered else None
