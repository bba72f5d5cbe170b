from __future__ import annotations

from django.db import models


class FileDeletion(models.Model):
    """A stored file that is to be deleted, as its row was: written with that, gone with the file.

    What a crash or an outage of the storage leaves is tried again when it is due.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200, help_text="In the storage.")
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name
