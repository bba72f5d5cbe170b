from __future__ import annotations

from django.conf import settings
from django.db import models


class LibraryHour(models.Model):
    """How many assets an owner saved to the Library in one hour (UTC) and has there still.

    Written in the transaction that changes the rows (generation.changes.library_hours). As with the counter's
    sums, no CHECK: a wrong number must not stop anybody's work.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    hour = models.DateTimeField(help_text="Its beginning.")
    count = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "hour"], name="library_hour_once")]

    def __str__(self) -> str:
        return f"{self.count} in {self.hour:%Y-%m-%d %H}"
