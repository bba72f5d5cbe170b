from __future__ import annotations

from itertools import chain

from django.db import models
from django.db.models.functions import Now

from generation.core.clock import from_now
from generation.core.ids import new_id
from generation.core.limits import DEVICE_LENGTH, NAME_LENGTH

# One that has not called for so long is away.
ALIVE_SECONDS = 60


class WorkerQuerySet(models.QuerySet["Worker"]):
    def enabled(self) -> WorkerQuerySet:
        return self.filter(enabled=True)

    def live(self) -> WorkerQuerySet:
        """Those that called in the last minute and take jobs."""
        return self.enabled().filter(draining=False, last_seen_at__gte=from_now(-ALIVE_SECONDS))

    def engines_without_fallback(self) -> set[str]:
        """Those that others serve: enabled, with a token that lives, and they have asked for jobs."""
        has_token = models.Q(tokens__expires_at=None) | models.Q(tokens__expires_at__gt=Now())
        others = self.enabled().filter(has_token, tokens__revoked_at=None, fallback=False)
        joined = others.filter(joined_at__isnull=False).values_list("engines", flat=True)
        return set(chain.from_iterable(joined))


class Worker(models.Model):
    """A registered machine with its own token."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    engines = models.JSONField(default=list, help_text="The engines it may serve, for example sdxl and wan.")
    enabled = models.BooleanField(default=True, help_text="A disabled worker is refused.")
    embeds = models.BooleanField(
        default=False, db_default=False, help_text="It may see every result's thumbnail, to embed it."
    )
    fallback = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It gets no jobs of an engine that another enabled worker serves, also while that is away.",
    )
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
    degraded = models.JSONField(
        default=dict,
        editable=False,
        help_text="Pools that it withdrew for faults of its own: each with reason and since (ISO 8601).",
    )
    # Of queue.warm_preference.
    preferred_claims = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="Jobs that it got before better ones since it last kept to their order.",
    )
    preferred_since = models.DateTimeField(
        null=True, editable=False, help_text="When it got the first of them."
    )
    joined_at = models.DateTimeField(null=True, editable=False, help_text="When it first asked for jobs.")
    software = models.CharField(max_length=DEVICE_LENGTH, blank=True, editable=False)
    device = models.CharField(max_length=DEVICE_LENGTH, blank=True, editable=False)
    benchmarked_at = models.DateTimeField(null=True, editable=False)
    benchmarked_with = models.CharField(
        max_length=250, blank=True, editable=False, help_text="Software and device of its last benchmark."
    )
    last_seen_at = models.DateTimeField(null=True, editable=False)
    interruptible = models.BooleanField(
        default=False, editable=False, help_text="It may vanish at any time, as it says itself."
    )
    enrolment = models.ForeignKey(
        "generation.Enrolment",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="workers",
        help_text="By which it made itself a worker.",
    )
    machine = models.UUIDField(null=True, editable=False, help_text="The id that the machine enrolled with.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="worker_has_a_name"),
            models.UniqueConstraint(fields=["enrolment", "machine"], name="worker_enrolled_once"),
        ]

    def __str__(self) -> str:
        return self.name
