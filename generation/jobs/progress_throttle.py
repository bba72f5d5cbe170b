"""Rate limits for progress hints and previews of a running job, whatever its worker sends."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import F, Q

from generation.changes import publisher
from generation.core.clock import Now, from_now
from generation.models import Job
from generation.models.job import JobQuerySet

WINDOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most two in any second; the times of the last two are stored on the job, in these fields.

    One UPDATE checks and records, so that of many concurrent ones two get through.
    """

    last: str
    before: str

    def allowed(self) -> Q:
        return Q(**{self.before: None}) | Q(**{f"{self.before}__lte": from_now(-WINDOW_SECONDS)})

    def recorded(self) -> dict[str, object]:
        return {self.before: F(self.last), self.last: Now()}


HINTS = RateLimit("hinted_at", "hinted_before_at")
PREVIEWS = RateLimit("previewed_at", "previewed_before_at")


def hint(running: JobQuerySet, *, job_id: uuid.UUID, **changes: object) -> bool:
    """Write `changes` to the job and hint its owner's pages; False, and nothing written, if it is too soon.

    `running` holds the job, if anything.
    """
    if not running.filter(HINTS.allowed()).update(**changes, **HINTS.recorded()):
        return False
    for owner_id in Job.objects.filter(pk=job_id).values_list("owner_id", flat=True):
        publisher.progressed(owner_id=owner_id, job_id=job_id)
    return True
