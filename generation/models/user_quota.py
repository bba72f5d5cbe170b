from __future__ import annotations

from django.conf import settings
from django.db import models


class UserQuota(models.Model):
    """One user's own limit, instead of the site's default."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    active_jobs = models.PositiveIntegerField(help_text="Most jobs queued and running at once.")

    def __str__(self) -> str:
        return f"{self.active_jobs} active jobs"
