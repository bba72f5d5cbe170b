from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from generation.core.ids import new_id


class EventKind(models.TextChoices):
    """What happened."""

    JOB_ENDED = "job.ended", "Job ended"  # also once more, when a retry of it ends


class OutboxEvent(models.Model):
    """Something that happened, written in the transaction that did it, for those who act on it later.

    An owner's events are read in the order of `revision`, which is the order of their commits; `created_at`
    and `id` are not: who reads by those skips what commits late (docs/decisions/0014-outbox.md).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=40, choices=EventKind.choices)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    revision = models.BigIntegerField(help_text="Of the job, when it happened.")
    job_id = models.UUIDField()
    payload = models.JSONField(help_text="What readers need, as it was then.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="outbox_age")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "revision"], name="outbox_once_per_revision"),
            models.CheckConstraint(condition=Q(kind__in=EventKind.values), name="outbox_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.job_id}"
