from __future__ import annotations

from django.conf import settings
from django.db import models


class UserQuota(models.Model):
    """One user's own limits, instead of the site's."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    active_jobs = models.PositiveIntegerField(help_text="Most jobs queued and running at once.")
    storage_bytes = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Most bytes of results; 0: no limit, empty: the site's STORAGE_QUOTA_BYTES.",
    )

    def __str__(self) -> str:
        return f"{self.active_jobs} active jobs"
