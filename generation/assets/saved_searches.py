"""Filters of the Library that an owner keeps under a name."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import QueryDict

from generation.assets.filters import AssetFilter
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import DomainError
from generation.core.limits import SAVED_SEARCH_LENGTH
from generation.core.text import fold, plain_name
from generation.models import SavedSearch

MAX_SEARCHES = 50  # of one owner, more or less: two at once may both be the last


class BadSavedSearch(DomainError):
    """A name that is taken or cannot be used, nothing to save, or one too many."""

    code = "bad_saved_search"


def owned_searches(owner_id: int) -> QuerySet[SavedSearch]:
    """The owner's, by name."""
    return SavedSearch.objects.filter(owner_id=owner_id).order_by("folded_name", "id")


def save(*, owner_id: int, actor: Actor, name: str, query: str) -> SavedSearch:
    """Keep the filter of a query string. Raises BadSavedSearch."""
    only = AssetFilter.from_query(QueryDict(query))
    kept = only.to_query()
    if not only or only.error or len(kept) > SAVED_SEARCH_LENGTH:
        raise BadSavedSearch(only.error or "Search for something first, or choose a filter.")
    if SavedSearch.objects.filter(owner_id=owner_id).count() >= MAX_SEARCHES:
        raise BadSavedSearch(
            f"You have {MAX_SEARCHES} saved searches, and that is the most. Delete one first."
        )
    search = SavedSearch(owner_id=owner_id, query=kept)
    _name(search, name)
    _log("saved", actor, search)
    return search


def rename(*, owner_id: int, actor: Actor, search_id: uuid.UUID, name: str) -> SavedSearch | None:
    """Another name; None if the owner has no such search. Raises BadSavedSearch."""
    search = owned_searches(owner_id).filter(pk=search_id).first()
    if search:
        _name(search, name)
        _log("renamed", actor, search)
    return search


def delete(*, owner_id: int, actor: Actor, search_id: uuid.UUID) -> SavedSearch | None:
    """The search that is gone, for the undo; None if the owner has none of this id."""
    search = owned_searches(owner_id).filter(pk=search_id).first()
    if search:
        owned_searches(owner_id).filter(pk=search_id).delete()
        _log("deleted", actor, search)
    return search


def _name(search: SavedSearch, name: str) -> None:
    try:
        search.name = plain_name(name, "The name of a search")
    except ValueError as refused:
        raise BadSavedSearch(str(refused)) from None
    search.folded_name = fold(search.name)
    try:
        with transaction.atomic():
            search.save()
    except IntegrityError:
        raise BadSavedSearch("You already have a saved search of that name.") from None


def _log(verb: str, actor: Actor, search: SavedSearch) -> None:
    audit_log.after_commit(f"search.{verb}", actor=actor, search=str(search.pk), owner=search.owner_id)
