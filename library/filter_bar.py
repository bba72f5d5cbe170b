"""What the Library's filter bar shows: the facets that are in force, and how many results fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from generation.access.models import models_seen_by
from generation.assets import listing
from generation.assets.embeddings import model as embedding_model
from generation.assets.filters import ALIKE, RATINGS, SHAPES, AssetFilter, Facet
from generation.assets.saved_searches import owned_searches
from generation.assets.search import index
from generation.catalog.job_types import JOB_TYPES
from generation.core.limits import NAME_LENGTH, SEARCH_LENGTH
from generation.models import SavedSearch
from library.grouping_cards import Group

# How a facet that is folded away is said; the others show what they are set to by themselves.
WORDS: Mapping[str, Callable[[Any], str]] = {
    "job_type": lambda value: JOB_TYPES[value].title,
    "model": str,
    "shape": str.capitalize,
    "since": lambda day: f"From {day:%-d %B %Y}",
    "until": lambda day: f"To {day:%-d %B %Y}",
    "seed": lambda seed: f"Seed {seed}",
    "job_id": lambda _: "One stack",
    "similar_id": lambda _: "Like one result",
    "meaning": lambda text: f"Looks like: {text}",
}
# How much alike, in words.
LEVEL_WORDS = {0: "Loosely", ALIKE: "Alike", 100: "Very alike"}


@dataclass(frozen=True, slots=True)
class Chip:
    """A facet that is in force, and the query without it."""

    words: str
    without: str


def filter_bar(owner_id: int, filters: AssetFilter, groups: Iterable[Group] = ()) -> dict[str, Any]:
    """The template's variables. `groups` are the collection and the tag that the filter names."""
    searches = list(owned_searches(owner_id))
    return {
        "searches": searches,
        "may_save": bool(filters) and not filters.error and not _is_saved(filters, searches),
        "name_length": NAME_LENGTH,
        "filters": filters,
        "search_length": SEARCH_LENGTH,
        "ratings": RATINGS,
        "shapes": SHAPES,
        "models": _models(owner_id, filters),
        "job_types": [(job_type.name, job_type.title) for job_type in JOB_TYPES.values()],
        "chips": [*_chips(filters), *_group_chips(filters, groups)],
        "count": count_words(owner_id, filters),
        "index_incomplete": _uses_index(filters) and not index.is_complete(),
        "longer_words": _longer_words(filters),
        **_by_content(filters),
    }


def _by_content(filters: AssetFilter) -> dict[str, Any]:
    """What finds by content; nothing where there are no embeddings."""
    if embedding_model.current() is None:
        return {}
    words = replace(filters, q="", similar_id=None, meaning=filters.q).to_query() if filters.q else ""
    return {
        "levels": LEVEL_WORDS | {filters.alike: LEVEL_WORDS.get(filters.alike, f"{filters.alike} of 100")},
        "usual_level": ALIKE,
        "by_meaning": words,
        "state": filters.nearest.state.name if filters.nearest else "",
    }


def _models(owner_id: int, filters: AssetFilter) -> list[tuple[str, str]]:
    """Names and titles; what is in force is among them in any case."""
    titles = {model.name: model.shown_title for model in models_seen_by(owner_id)}
    return list(({filters.model: filters.model} | titles if filters.model else titles).items())


def _is_saved(filters: AssetFilter, searches: list[SavedSearch]) -> bool:
    return filters.to_query() in {search.query for search in searches}


def _chips(filters: AssetFilter) -> list[Chip]:
    return [_chip(filters, facet) for facet in filters.facets if facet.field in WORDS]


def _group_chips(filters: AssetFilter, groups: Iterable[Group]) -> list[Chip]:
    names = {group.sort.name: f"{group.sort.name.capitalize()}: {group.card.name}" for group in groups}
    return [
        Chip(names[facet.name], filters.without(facet).to_query())
        for facet in filters.facets
        if facet.name in names
    ]


def _chip(filters: AssetFilter, facet: Facet) -> Chip:
    without = filters.without(facet)
    if facet.field == "job_id":  # back among the stacks, from where it was opened
        without = replace(without, stacks=True)
    return Chip(WORDS[facet.field](filters.value(facet)), without.to_query())


def count_words(owner_id: int, filters: AssetFilter) -> str:
    """How many fit; empty where nobody counts."""
    if not filters.opened or filters.error:  # nobody counts the whole Library either
        return ""
    most = listing.MOST_COUNTED
    number = listing.saved(owner_id=owner_id, only=filters).count(most)
    what = "stack" if filters.stacks else "result"
    found = f"Over {most:,} {what}s" if number > most else f"{number:,} {what}{'' if number == 1 else 's'}"
    return f"{found}, the most alike first" if filters.is_by_content and number > 1 else found


def _uses_index(filters: AssetFilter) -> bool:
    return any(facet.trait or facet.field == "q" for facet in filters.facets)


def _longer_words(filters: AssetFilter) -> dict[str, str] | None:
    """The search with each plain word as a prefix, for one that finds nothing."""
    words = filters.q.split()
    longer = " ".join(f"{word}*" if word.isalnum() and len(word) > 1 else word for word in words)
    if longer == filters.q:
        return None
    wider = replace(filters, q=longer)
    return None if wider.error else {"q": wider.q, "query": wider.to_query()}
