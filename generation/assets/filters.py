"""The filter of saved assets, the same for the Library page, its socket and the API."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from generation.assets.grouped import in_groups
from generation.catalog.job_types import Media
from generation.core.graphemes import cut
from generation.core.limits import MAX_RATING, SEARCH_LENGTH
from generation.core.text import search_key
from generation.models import Project
from generation.models.asset import A, AssetQuerySet

RATINGS = [str(stars) for stars in range(1, MAX_RATING + 1)]


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Empty fields narrow nothing. `q` is found anywhere in the prompt, whatever its case and accents."""

    media: str = ""
    project_id: uuid.UUID | None = None
    q: str = ""
    rating: int = 0  # as many stars or more
    favourite: bool = False
    collection_id: uuid.UUID | None = None
    tag_id: uuid.UUID | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The filter in a page's query string; invalid values are ignored."""
        media = query.get("media", "")
        q = cut(query.get("q", "").replace("\0", "").strip(), SEARCH_LENGTH)
        stars = query.get("rating", "")
        return cls(
            media=media if media in Media.values else "",
            project_id=_uuid(query.get("project", "")),
            q=q,
            rating=int(stars) if stars in RATINGS else 0,
            favourite=query.get("favourite") == "1",
            collection_id=_uuid(query.get("collection", "")),
            tag_id=_uuid(query.get("tag", "")),
        )

    def within(self, projects: Iterable[Project]) -> Self:
        """The filter without a project that is none of these: the page must show the filter it applies."""
        known = self.project_id in {project.pk for project in projects}
        return self if known else replace(self, project_id=None)

    def __bool__(self) -> bool:
        return self != type(self)()

    @property
    def order(self) -> tuple[str, str]:
        """What a listing is ordered by, a moment and an id: a collection's index has its own."""
        return ("placed_at", "placed_id") if self.collection_id or self.tag_id else ("saved_at", "id")

    @property
    def narrows_more(self) -> bool:
        """Whether there is more to it than `q`."""
        return bool(replace(self, q=""))

    def to_query(self, **overrides: str) -> str:
        """The filter as a query string, with some fields overridden."""
        fields = {
            "q": self.q,
            "media": self.media,
            "project": str(self.project_id or ""),
            "rating": str(self.rating or ""),
            "favourite": "1" if self.favourite else "",
            "collection": str(self.collection_id or ""),
            "tag": str(self.tag_id or ""),
        } | overrides
        return urlencode({name: value for name, value in fields.items() if value})

    def apply(self, assets: AssetQuerySet[A]) -> AssetQuerySet[A]:
        """The assets that match."""
        if "\0" in self.q:
            return assets.none()  # PostgreSQL takes no NUL, and no prompt has one
        if self.media:
            assets = assets.filter(media=self.media)
        if self.project_id:
            assets = assets.filter(project_id=self.project_id)
        if self.rating:
            assets = assets.rated(self.rating)
        if self.favourite:
            assets = assets.filter(favourite=True)
        assets = in_groups(assets, collection_id=self.collection_id, tag_id=self.tag_id)
        key = search_key(self.q)
        return assets.filter(search_text__contains=key) if key else assets


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
