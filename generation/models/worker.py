from __future__ import annotations

from django.db import models

from generation.core.ids import new_id
from generation.core.limits import DEVICE_LENGTH, NAME_LENGTH


class WorkerQuerySet(models.QuerySet["Worker"]):
    def enabled(self) -> WorkerQuerySet:
        return self.filter(enabled=True)


class Worker(models.Model):
    """A registered machine with its own token."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    engines = models.JSONField(default=list, help_text="The engines it may serve, for example sdxl and wan.")
    enabled = models.BooleanField(default=True, help_text="A disabled worker is refused.")
    draining = models.BooleanField(default=False, help_text="Finishes its job in hand, gets no new one.")
    pools = models.JSONField(default=list, editable=False, help_text="What it last offered.")
    advertised = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        editable=False,
        help_text="The job types of each model that it advertised, by name; empty: as its pools say.",
    )
    advertised_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Of all that it advertised of its models.",
    )
    software = models.CharField(max_length=DEVICE_LENGTH, blank=True, editable=False)
    device = models.CharField(max_length=DEVICE_LENGTH, blank=True, editable=False)
    benchmarked_at = models.DateTimeField(null=True, editable=False)
    benchmarked_with = models.CharField(
        max_length=250, blank=True, editable=False, help_text="Software and device of its last benchmark."
    )
    last_seen_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=~models.Q(name=""), name="worker_has_a_name")]

    def __str__(self) -> str:
        return self.name
