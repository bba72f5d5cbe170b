"""The search index of the results, and the searches that their owners keep."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q

from generation.core.ids import new_id
from generation.core.limits import NAME_LENGTH, SAVED_SEARCH_LENGTH
from generation.models.asset import Asset


class TokensField(models.TextField):  # type: ignore[type-arg]
    """Tokens with their positions: a `tsvector` in PostgreSQL, in SQLite the text that FTS5 indexes."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"

    def get_placeholder(self, value: Any, compiler: Any, connection: BaseDatabaseWrapper) -> str:
        return "%s::tsvector" if connection.vendor == "postgresql" else "%s"


class SearchEntry(models.Model):
    """What a result is found by. Written by `assets.search.index` alone.

    PostgreSQL has a GIN index of `tokens`, SQLite the FTS5 table `generation_search`, which triggers fill and
    whose rowid is `id`. `saved_at` is the asset's while it is in the Library: with it a search of the whole
    Library sorts what it found without a look at the assets. It has no index, so that PostgreSQL can write it
    without writing the tokens' index anew.
    """

    id = models.BigAutoField(primary_key=True)
    asset = models.OneToOneField(Asset, models.CASCADE, related_name="search_entry")
    tokens = TokensField(help_text="By assets.search.tokens, each with its owner's key.")
    saved_at = models.DateTimeField(null=True, help_text="In the Library since; NULL: not there.")

    def __str__(self) -> str:
        return f"search entry of {self.asset_id}"


class SearchIndexBuild(models.Model):
    """One row while results from before the index are still to be added to it, by id, newest first."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    below = models.UUIDField(help_text="The last id that was looked at.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="search_index_build_one_row")]

    def __str__(self) -> str:
        return f"to be indexed: what is older than {self.below}"


class SavedSearch(models.Model):
    """A filter of the Library under a name of the owner's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="saved_searches", db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH)
    folded_name = models.TextField(editable=False, help_text="By core.text.fold, for comparing.")
    query = models.CharField(max_length=SAVED_SEARCH_LENGTH, help_text="The filter as in an address.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "folded_name"], name="saved_search_name_once_per_owner"),
            models.CheckConstraint(condition=~Q(folded_name=""), name="saved_search_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
