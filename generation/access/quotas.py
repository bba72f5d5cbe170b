"""How much work one user may have queued and running at once."""

from __future__ import annotations

from django.conf import settings

from generation.core.errors import DomainError
from generation.models import Job, UserQuota
from generation.models.statuses import ACTIVE


class OverLimit(DomainError):
    """The owner has as much work queued and running as is allowed."""

    code = "over_limit"

    def __init__(self, limit: int) -> None:
        jobs = "job" if limit == 1 else "jobs"
        super().__init__(
            f"You may have {limit} {jobs} waiting or running. Wait for one to end, or cancel one."
        )


def limit_of(owner_id: int) -> int:
    """How many jobs may be queued and running at once: the owner's own quota, else the site's."""
    own = UserQuota.objects.filter(pk=owner_id).values_list("active_jobs", flat=True).first()
    return settings.MAX_ACTIVE_JOBS if own is None else own


def active_jobs(owner_id: int, *, at_most: int) -> int:
    """The number of the owner's queued and running jobs, counted up to `at_most`."""
    active = Job.objects.of(owner_id).filter(status__in=ACTIVE)
    return active.order_by()[:at_most].count()


def check(owner_id: int) -> None:
    """Refuse one more job when the owner is at the limit.

    Called in the submitting or retrying transaction with the owner's counter locked, so that two at once
    cannot both take the last place.

    Raises:
        OverLimit: with a sentence for the page.
    """
    limit = limit_of(owner_id)
    if active_jobs(owner_id, at_most=limit) >= limit:
        raise OverLimit(limit)
