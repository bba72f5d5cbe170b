"""What a Library page is narrowed to; the page and its socket read it from the same query."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from django.db.models import QuerySet

from generation.assets.listing import MODELS
from generation.core.limits import SEARCH_LENGTH
from generation.models import Asset, Project


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty fields narrow nothing."""

    media: str = ""
    project_id: uuid.UUID | None = None
    q: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """What is understood of `query`; the rest counts as not given."""
        media = query.get("media", "")
        q = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH]
        return cls(media if media in MODELS else "", _uuid(query.get("project", "")), q)

    def within(self, projects: Iterable[Project]) -> Self:
        """The same without a project that is none of these: the page must show what is in force."""
        known = self.project_id in {project.pk for project in projects}
        return self if known else replace(self, project_id=None)

    def __bool__(self) -> bool:
        return bool(self.media or self.project_id or self.q)

    def query(self, **instead: str) -> str:
        """As a query string, with some fields put otherwise."""
        fields = {"q": self.q, "media": self.media, "project": str(self.project_id or "")} | instead
        return urlencode({name: value for name, value in fields.items() if value})

    def admitted(self, assets: QuerySet[Asset]) -> QuerySet[Asset]:
        """Those of one table's rows that the page would show."""
        if self.media and assets.model is not MODELS[self.media]:
            return assets.none()
        if self.project_id:
            assets = assets.filter(project_id=self.project_id)
        return assets.filter(prompt__icontains=self.q) if self.q else assets


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
