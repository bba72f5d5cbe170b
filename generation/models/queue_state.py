"""Queue state shared by all processes, beside the jobs themselves."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Uptime(models.Model):
    """One row: since when web processes have served without a gap, and when one last said that it serves.

    By it the reaper knows of an outage, and a page of a restored database. None before a web process first
    served.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField()
    last_beat_at = models.DateTimeField()
    epoch = models.DateTimeField(
        null=True, help_text="When serving began after a gap in which the database may have been exchanged."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="uptime_one_row")]

    def __str__(self) -> str:
        return f"serving since {self.since}"


class FairnessClock(models.Model):
    """The virtual time of a pool: the largest start tag claimed from it. It never decreases."""

    pool = models.CharField(primary_key=True, max_length=100)
    virtual_time = models.BigIntegerField(help_text="In s, as a job's fair_tag.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(virtual_time__gte=0), name="clock_not_negative")]

    def __str__(self) -> str:
        return f"{self.pool}: {self.virtual_time}"
