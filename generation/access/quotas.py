"""How much one user may have queued, running and stored."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from generation.changes.library_totals import library_totals
from generation.core.errors import DomainError
from generation.models import Job, UserQuota


class OverLimit(DomainError):
    """The owner has as much work queued and running as is allowed."""

    code = "over_limit"

    def __init__(self, limit: int, *, active: int = 0, more: int = 1) -> None:
        jobs = "job" if limit == 1 else "jobs"
        most = f"You may have {limit:,} {jobs} waiting or running"
        if more == 1 or active >= limit:
            super().__init__(f"{most}. Wait for one to end, or cancel one.")
        else:
            super().__init__(f"{most}, so there is room for {limit - active:,}, not for {more}.")


class StorageFull(OverLimit):
    """The owner's results take as many bytes as is allowed."""

    code = "storage_full"

    def __init__(self, limit: int) -> None:
        DomainError.__init__(
            self,
            f"Your results take the {filesizeformat(limit)} that you may store. Discard some, or ask for "
            f"more. What you discard counts until it leaves the trash, after {settings.TRASH_DAYS} days.",
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Most jobs queued and running at once; most bytes of results, 0 for no limit."""

    active_jobs: int
    storage_bytes: int


def limits_of(owner_id: int) -> Limits:
    """The owner's own quota, else the site's."""
    own = UserQuota.objects.filter(pk=owner_id).values_list("active_jobs", "storage_bytes").first()
    jobs, stored = own or (settings.MAX_ACTIVE_JOBS, None)
    return Limits(jobs, settings.STORAGE_QUOTA_BYTES if stored is None else stored)


def active_jobs(owner_id: int, *, at_most: int) -> int:
    """The number of the owner's queued and running jobs, counted up to `at_most`."""
    active = Job.objects.of(owner_id).active()
    return active.order_by()[:at_most].count()


def check(owner_id: int, *, more: int = 1) -> None:
    """Refuse that many more jobs where they pass a limit. What runs already is stored nevertheless.

    Called in the submitting or retrying transaction with the owner's counter locked, so that two at once
    cannot both take the last place.

    Raises:
        OverLimit, StorageFull: with a sentence for the page.
    """
    limits = limits_of(owner_id)
    active = active_jobs(owner_id, at_most=limits.active_jobs)
    if active + more > limits.active_jobs:
        raise OverLimit(limits.active_jobs, active=active, more=more)
    _check_storage(owner_id, limits.storage_bytes, 1)


def check_storage(owner_id: int, *, more: int = 1) -> None:
    """Refuse a file of so many bytes that the owner has no room for. Raises StorageFull."""
    _check_storage(owner_id, limits_of(owner_id).storage_bytes, more)


def _check_storage(owner_id: int, limit: int, more: int) -> None:
    if limit and library_totals(owner_id).stored_bytes + more > limit:
        raise StorageFull(limit)
