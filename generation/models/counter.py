from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from generation.catalog.job_types import Media


class OwnerCounter(models.Model):
    """One row per owner: the revision of that owner's last change, how much the owner has, and a pause.

    Every changed job or asset row takes the next number inside its own transaction, so the row lock
    makes the order of revisions the order of commits. The sums change in that same write. No CHECK keeps
    them positive: a wrong sum must not stop anybody's work.
    """

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, primary_key=True)
    revision = models.BigIntegerField(default=0)
    oldest_revision = models.BigIntegerField(
        default=0, help_text="Readers behind this revision must start afresh."
    )
    library_images = models.BigIntegerField(default=0)
    library_videos = models.BigIntegerField(default=0)
    library_bytes = models.BigIntegerField(default=0)
    stored_bytes = models.BigIntegerField(
        default=0, help_text="Of all results: in the Library, under review and in the trash."
    )
    queue_paused_at = models.DateTimeField(
        null=True, help_text="Since when none of the owner's waiting jobs is to be begun."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(oldest_revision__gte=0, oldest_revision__lte=models.F("revision")),
                name="counter_oldest_in_past",
            )
        ]

    def __str__(self) -> str:
        return f"revision {self.revision}"


class Tombstone(models.Model):
    """What remains of an asset purged from the trash, so that the change feed can report it."""

    asset_id = models.UUIDField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    job_id = models.UUIDField()
    media = models.CharField(max_length=10, choices=Media.choices)
    purged_at = models.DateTimeField()
    revision = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["owner", "revision"], name="tombstone_changes"),
            models.Index(fields=["purged_at"], name="tombstone_age"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(media__in=Media.values), name="tombstone_media_known"),
        ]

    def __str__(self) -> str:
        return f"purged {self.media} {self.asset_id}"
