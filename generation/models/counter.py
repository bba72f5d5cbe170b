from __future__ import annotations

from django.conf import settings
from django.db import models


class OwnerCounter(models.Model):
    """One row per owner: the revision of that owner's last change.

    Every changed job or asset row takes the next number inside its own transaction, so the row lock
    makes the order of revisions the order of commits.
    """

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, primary_key=True)
    revision = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"revision {self.revision}"
