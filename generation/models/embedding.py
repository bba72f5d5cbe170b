"""Embeddings of the results and of what people search for by meaning, all of one model."""

from __future__ import annotations

import struct
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q

from generation.core.ids import new_id
from generation.core.limits import EMBEDDING_MODEL_LENGTH, SEARCH_LENGTH
from generation.models.asset import Asset

MAX_ATTEMPTS = 3


class VectorField(models.Field):  # type: ignore[type-arg]
    """A list of floats: `real[]` in PostgreSQL, whether or not it has pgvector; in SQLite their bytes."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "real[]" if connection.vendor == "postgresql" else "blob"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 # Django's
        if value is None or connection.vendor == "postgresql":
            return value
        return struct.pack(f"<{len(value)}f", *value)

    def from_db_value(self, value: Any, expression: object, connection: BaseDatabaseWrapper) -> Any:
        if isinstance(value, bytes | memoryview):
            return list(struct.unpack(f"<{len(value) // 4}f", value))
        return value


class EmbeddingModel(models.Model):
    """One row while the installation has embeddings; the first embedder says which model it is.

    `generation.assets.embeddings` makes the vector index for its dimensions.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=EMBEDDING_MODEL_LENGTH, blank=True, help_text="Empty: not known yet.")
    dimensions = models.PositiveSmallIntegerField(null=True)
    thresholds = models.JSONField(
        default=dict, help_text="[loose, strict] cosines for `image` and for `text`, as the embedder says."
    )
    below = models.UUIDField(null=True, help_text="Older results are still to be asked for; NULL: none.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="embedding_model_one_row"),
            models.CheckConstraint(
                condition=Q(name="", dimensions=None) | ~Q(name="") & Q(dimensions__isnull=False),
                name="embedding_model_has_dimensions",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Wanted(models.Model):
    """What an embedder makes a vector of: leased to one for a while, three times at most."""

    vector = VectorField(null=True, help_text="Of length 1; NULL: not made yet.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it was leased.")
    leased_by = models.UUIDField(null=True, help_text="The worker.")
    leased_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Embedding(Wanted):
    """A result's, by its thumbnail; written when the result is completed, and updated by its embedder."""

    asset = models.OneToOneField(Asset, models.CASCADE, primary_key=True, related_name="embedding")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        indexes = [
            models.Index(
                *("attempts", F("asset").desc()), name="embedding_wanted", condition=Q(vector__isnull=True)
            ),
            # How many a search compares, read from the index alone.
            models.Index("owner", name="embedding_of_owner", condition=Q(vector__isnull=False)),
            # Whether an account that is deleted has some still, with a vector or without.
            models.Index("owner", name="embedding_owner"),
        ]

    def __str__(self) -> str:
        return f"embedding of {self.asset_id}"


class TextEmbedding(Wanted):
    """That of a text that its owner searched for lately."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    text = models.CharField(max_length=SEARCH_LENGTH)
    asked_at = models.DateTimeField(help_text="When it was searched for first.")
    used_at = models.DateTimeField(help_text="When it was searched for last, to the day.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "text"], name="text_embedding_once_per_owner"),
        ]
        indexes = [
            models.Index("attempts", "asked_at", name="text_wanted", condition=Q(vector__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"embedding of a text of {self.owner_id}'s"
