from __future__ import annotations

from django.db import models
from django.db.models import Q

from generation.models.job import Job

VERSION_LENGTH = 16


class Preview(models.Model):
    """How a slot looks so far, while its job runs: the newest small picture, re-encoded by us.

    A hint in a row: it never moves a revision, and chores remove it when the job no longer runs.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="previews", db_index=False)
    slot = models.PositiveSmallIntegerField()
    lease_token = models.UUIDField(help_text="The lease that sent it; another's is not shown.")
    picture = models.BinaryField(help_text="WebP, at most 512 px a side.")
    version = models.CharField(max_length=VERSION_LENGTH, help_text="Begins the picture's SHA-256.")
    stored_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "slot"], name="preview_once_per_slot"),
            models.CheckConstraint(condition=~Q(version=""), name="preview_has_a_version"),
        ]

    def __str__(self) -> str:
        return f"preview of slot {self.slot} of {self.job_id}"
