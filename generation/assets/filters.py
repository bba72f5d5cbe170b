"""The filter of saved assets, the same for the Library page, its socket and the API.

A new facet is a field of `AssetFilter` and a line in `FACETS`; howto/add-a-facet.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from generation.assets.embeddings.nearest import Nearest, by_meaning, similar_to
from generation.assets.grouped import in_groups
from generation.assets.search.match import Match, trait
from generation.assets.search.query import BadSearch, Query, parse
from generation.assets.stacks import collapsed
from generation.catalog.job_types import JOB_TYPES, Media
from generation.catalog.models import MODEL_NAME
from generation.core.graphemes import cut
from generation.core.limits import MAX_RATING, SEARCH_LENGTH
from generation.core.planning import SOME, Leaves
from generation.core.text import plain_line
from generation.core.zones import zone_named
from generation.models import Asset, Project
from generation.models.asset import A, AssetQuerySet

RATINGS = [str(stars) for stars in range(1, MAX_RATING + 1)]
SHAPES = ["landscape", "portrait", "square"]
MAX_SEED = 2**63 - 1
DAY = timedelta(days=1)
ALIKE = 50
LEVELS = range(101)  # of how much alike


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Empty fields narrow nothing. `q` is in the language of search.query; days are those of `zone`."""

    q: str = ""
    media: str = ""
    project_id: uuid.UUID | None = None
    job_type: str = ""
    model: str = ""
    shape: str = ""
    rating: int = 0  # as many stars or more
    favourite: bool = False
    since: date | None = None
    until: date | None = None  # this day included
    seed: int | None = None
    zone: str = ""
    collection_id: uuid.UUID | None = None
    tag_id: uuid.UUID | None = None
    job_id: uuid.UUID | None = None
    similar_id: uuid.UUID | None = None  # the result that others are to be like
    meaning: str = ""  # what is to be seen, in words
    alike: int = ALIKE  # how much, of either: 0 for loosely, 100 for very much
    stacks: bool = False  # of each job only the best of what matches
    nearest: Nearest | None = field(default=None, compare=False)  # by content, once it was looked up

    @classmethod
    def from_query(cls, query: Mapping[str, str], *, zone: str = "") -> Self:
        """The filter in a query string; invalid values are ignored. `zone` is for days, if none is named."""
        given = {facet.field: facet.read(query) for facet in FACETS}
        dated = bool(given["since"] or given["until"])
        if given["meaning"]:  # written while others like one were shown
            given["similar_id"] = None
        if not given["similar_id"] and not given["meaning"]:
            given["alike"] = ALIKE
        named = query.get("zone", "")
        return cls(**given, zone=(named if zone_named(named) else zone) if dated else "")

    def within(self, projects: Iterable[Project]) -> Self:
        """The filter without a project that is none of these: the page must show the filter it applies."""
        known = self.project_id in {project.pk for project in projects}
        return self if known else replace(self, project_id=None)

    def __bool__(self) -> bool:
        return bool(self.facets)

    @property
    def facets(self) -> list[Facet]:
        """Those that narrow."""
        return [facet for facet in FACETS if facet.is_set(self)]

    @property
    def order(self) -> tuple[str, str]:
        """What a listing is ordered by, a moment and an id: a collection's index has its own."""
        if self.is_by_content:
            return ("ranked_at", "id")
        return ("placed_at", "placed_id") if self.collection_id or self.tag_id else ("saved_at", "id")

    @property
    def is_by_content(self) -> bool:
        """Whether the most alike come first, not the newest."""
        return bool(self.similar_id or self.meaning)

    @property
    def narrows_more(self) -> bool:
        """Whether there is more to it than `q`."""
        return bool(replace(self, q=""))

    def to_query(self, **overrides: str) -> str:
        """The filter as a query string, with some fields overridden."""
        fields = {facet.name: facet.text(self.value(facet)) for facet in self.facets}
        fields |= {"zone": self.zone, **overrides}
        return urlencode({name: value for name, value in fields.items() if value})

    def without(self, facet: Facet) -> Self:
        return replace(self, **{facet.field: facet.unset})

    def value(self, facet: Facet) -> Any:
        return getattr(self, facet.field)

    @property
    def query(self) -> Query | None:
        """What is searched for. Raises BadSearch."""
        return parse(self.q) if self.q else None

    @property
    def error(self) -> str:
        """Why nothing can be searched for; empty where it can."""
        try:
            parse(self.q or "anything")
        except BadSearch as refused:
            return refused.message
        return ""

    def match(self, owner_id: int) -> Match | None:
        """What the search index is asked for; None where it is not needed. Raises BadSearch."""
        traits = tuple(trait(facet.trait, self.value(facet)) for facet in self.facets if facet.trait)
        return Match(owner_id, self.query, traits) if self.q or traits else None

    @property
    def opened(self) -> Self:
        """With all that the stacks hold."""
        return replace(self, stacks=False)

    def fitting(self, owner_id: int) -> AssetQuerySet[Asset]:
        """What the owner has in the Library that matches, all that the stacks hold."""
        return self.opened.apply(Asset.objects.of(owner_id).in_library(), owner_id=owner_id)

    def looked_up(self, owner_id: int) -> Self:
        """With what is found by content, which is asked for at each use otherwise."""
        if self.nearest or not self.is_by_content:
            return self
        if self.similar_id:
            found = similar_to(owner_id=owner_id, asset_id=self.similar_id, alike=self.alike)
        else:
            found = by_meaning(owner_id=owner_id, text=self.meaning, alike=self.alike)
        return replace(self, nearest=found)

    def answered(self, owner_id: int) -> Self:
        """As `looked_up`; an answer that is still to come is not taken for none. Raises NotAnswered."""
        only = self.looked_up(owner_id)
        if only.nearest:
            only.nearest.require_answer()
        return only

    def narrow(self, assets: AssetQuerySet[A], *, owner_id: int) -> AssetQuerySet[A]:
        """The assets that match, but for what the search index finds, and not collapsed to stacks."""
        for facet in self.facets:
            if facet.narrow:
                assets = facet.narrow(assets, self)
        if nearest := self.looked_up(owner_id).nearest:
            assets = nearest.ranked(assets)
        return in_groups(assets, collection_id=self.collection_id, tag_id=self.tag_id)

    def apply(self, assets: AssetQuerySet[A], *, owner_id: int) -> AssetQuerySet[A]:
        """Those that match of these few of the owner's; none for a search that cannot be carried out."""
        try:
            match = self.match(owner_id)
        except BadSearch:
            return assets.none()
        found = self.narrow(assets, owner_id=owner_id)
        if match:
            found = found.filter(search_entry__tokens__matching=replace(match, by_row=True))
        return collapsed(found, self.fitting(owner_id)) if self.stacks else found

    def starts_at(self) -> datetime:
        assert self.since
        return self._midnight(self.since)

    def ends_before(self) -> datetime:
        assert self.until
        return self._midnight(self.until + DAY)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), zone_named(self.zone) or zone_named("UTC"))


@dataclass(frozen=True, slots=True)
class Facet:
    """A field of the filter and its `name` in addresses.

    It narrows by the rows' columns, or as a trait that the search index has (`search.index`): right for what
    does not change once a result is there, since it needs no index of its own.
    """

    field: str
    name: str
    parse: Callable[[str], Any]  # raises ValueError
    narrow: Callable[[AssetQuerySet[Any], AssetFilter], AssetQuerySet[Any]] | None = None
    trait: str = ""
    unset: Any = ""
    text: Callable[[Any], str] = str

    def read(self, query: Mapping[str, str]) -> Any:
        """The value in a query string; unset where it is invalid."""
        try:
            return self.parse(query[self.name])
        except (KeyError, ValueError):
            return self.unset

    def is_set(self, only: AssetFilter) -> bool:
        return bool(only.value(self) != self.unset)


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    values = {value: value for value in known}

    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return parse


def _search(text: str) -> str:
    return cut(text.replace("\0", "").strip(), 2 * SEARCH_LENGTH)  # longer ones are refused by words


def _stars(text: str) -> int:
    return int(_one_of(RATINGS)(text))


def _yes(text: str) -> bool:
    return bool(_one_of("1")(text))


def _one(_: object) -> str:
    return "1"


def _meaning(text: str) -> str:
    return cut(plain_line(text.replace("\0", "")), SEARCH_LENGTH)


def _level(text: str) -> int:
    return int(_one_of(map(str, LEVELS))(text))


def _seed(text: str) -> int:
    seed = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(text)
    return seed


def _model(text: str) -> str:
    if not MODEL_NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if not 1970 <= day.year < 9000:
        raise ValueError(text)
    return day


def _in_project(assets: AssetQuerySet[Any], only: AssetFilter) -> AssetQuerySet[Any]:
    return assets.filter(Leaves(SOME, project_id=only.project_id))


FACETS = (
    Facet("q", "q", _search),
    Facet("media", "media", _one_of(Media.values), lambda q, only: q.filter(media=only.media)),
    Facet("project_id", "project", uuid.UUID, _in_project, unset=None),
    Facet("job_type", "job_type", _one_of(JOB_TYPES), trait="type"),
    Facet("model", "model", _model, trait="model"),
    Facet("shape", "shape", _one_of(SHAPES), trait="shape"),
    Facet("rating", "rating", _stars, lambda q, only: q.rated(only.rating), unset=0),
    Facet("favourite", "favourite", _yes, lambda q, only: q.filter(favourite=True), unset=False, text=_one),
    Facet("since", "since", _day, lambda q, only: q.filter(saved_at__gte=only.starts_at()), unset=None),
    Facet("until", "until", _day, lambda q, only: q.filter(saved_at__lt=only.ends_before()), unset=None),
    Facet("seed", "seed", _seed, trait="seed", unset=None),
    Facet("collection_id", "collection", uuid.UUID, unset=None),  # both narrow at once: `in_groups`
    Facet("tag_id", "tag", uuid.UUID, unset=None),
    Facet("job_id", "job", uuid.UUID, lambda q, only: q.filter(job_id=only.job_id), unset=None),
    Facet("similar_id", "similar", uuid.UUID, unset=None),  # these three: `looked_up`
    Facet("meaning", "meaning", _meaning),
    Facet("alike", "alike", _level, unset=ALIKE),
    Facet("stacks", "stacks", _yes, unset=False, text=_one),  # what is left is collapsed at the end
)
