from __future__ import annotations

from django.conf import settings
from django.db import models

from generation.core.ids import new_id


class Archive(models.Model):
    """A selection of assets that its owner downloads as ZIP files, frozen when it is made.

    It is divided into parts, so that a selection of any size takes bounded memory and a download that breaks
    off costs one part at most. Parts are made in the order of the Library; `cursor` is where the next begins.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    query = models.TextField(blank=True, help_text="The filter of the Library; unused where there are ids.")
    asset_ids = models.JSONField(null=True, help_text="The selected assets; null: all that match.")
    excluded_ids = models.JSONField(default=list)
    cursor = models.CharField(max_length=200, blank=True)
    is_complete = models.BooleanField(default=False, help_text="Whether all parts are made.")

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="archive_age")]

    def __str__(self) -> str:
        return f"archive {self.pk}"


class ArchivePart(models.Model):
    """One ZIP file: the same bytes however often it is asked for."""

    archive = models.ForeignKey(Archive, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField(help_text="From 1.")
    files = models.JSONField(help_text="Name in the archive, name in the storage, bytes, time of each.")
    count = models.PositiveIntegerField()
    parameters_json = models.BinaryField(help_text="Of all its assets, compressed.")
    parameters_csv = models.BinaryField(help_text="The same as a table, compressed.")
    byte_size = models.BigIntegerField(help_text="Of the ZIP file.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["archive", "number"], name="archive_part_once")]

    def __str__(self) -> str:
        return f"part {self.number} of {self.archive_id}"
