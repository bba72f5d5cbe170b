from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.template.loader import render_to_string

from generation.access.projects import owns_project
from generation.assets.embeddings.nearest import State
from generation.assets.filters import AssetFilter
from generation.changes.feed import Changes
from generation.live.consumer import LiveConsumer
from generation.live.pages import LivePage
from generation.models import Asset, AssetStatus
from library.filter_bar import count_words
from library.grouping_cards import known_groups
from library.operation_texts import in_work
from library.presenters import Stack, Tile
from library.stacks import stacks_of


@dataclass(frozen=True, slots=True)
class LibraryPage(LivePage):
    """Sends each changed asset as the tile that the page itself would show, or that it has left the page."""

    filters: AssetFilter
    in_trash: bool

    def render(self, changes: Changes) -> dict[str, Any]:
        completed = [asset for asset in changes.assets if asset.status == AssetStatus.COMPLETED]
        if self.filters.stacks:
            completed = self._with_their_stacks(changes, completed)
        tiles = self._looked_up()._tiles(completed) if completed else []
        message = {"assets": tiles + [removed_tile(str(row.asset_id), row.media) for row in changes.purged]}
        count = self._looked_up()._count() if completed or changes.purged else ""
        return message | {
            "count": count,
            "operations": operations_html(self.owner_id),
            "gone": self._is_gone(),
        }

    def _count(self) -> str:
        return count_words(self.owner_id, self.filters) if self._has_answer else ""

    def _looked_up(self) -> LibraryPage:
        return replace(self, filters=self.filters.looked_up(self.owner_id))

    def _tiles(self, completed: Sequence[Asset]) -> list[dict[str, object]]:
        if not self._has_answer:  # nor anything to say of what is shown, but for what has left the Library
            completed = [asset for asset in completed if asset.trashed_at or not asset.saved_at]
        shown = self._shown(completed)
        there = [asset for asset in completed if asset.pk in shown]
        stacks = stacks_of(self.owner_id, self.filters, there)
        return [
            pushed_tile(asset, stacks.get(asset.job_id), shown=asset.pk in shown, in_trash=self.in_trash)
            for asset in completed
        ]

    @property
    def _has_answer(self) -> bool:
        """Whether what is found by content is known, if that is asked for."""
        nearest = self.filters.nearest
        return self.in_trash or nearest is None or nearest.state == State.FOUND

    def _with_their_stacks(self, changes: Changes, completed: Sequence[Asset]) -> list[Asset]:
        """All of the jobs of which something changed: the best or the number may be others."""
        jobs = {asset.job_id for asset in completed} | {row.job_id for row in changes.purged}
        found = Asset.objects.of(self.owner_id).completed().filter(job__in=jobs)
        return list(found.select_related("job").order_by("pk"))

    def _is_gone(self) -> bool:
        """Whether the page shows a collection, tag or project that was deleted meanwhile."""
        only = self.filters
        has_groups = bool(only.collection_id or only.tag_id)
        if has_groups and known_groups(self.owner_id, only) != only:
            return True
        return only.project_id is not None and not owns_project(self.owner_id, only.project_id)

    def _shown(self, assets: Sequence[Asset]) -> set[uuid.UUID]:
        """The ids of those that belong on the page."""
        if self.in_trash:
            return {asset.pk for asset in assets if asset.trashed_at}
        kept = {asset.pk: asset for asset in assets if asset.saved_at and not asset.trashed_at}
        if not kept or not self.filters:
            return set(kept)
        if self.filters.error:
            return set()
        # Filtered by the database, so that a tile is pushed exactly when a reload would show it.
        rows: Any = self.filters.apply(Asset.objects.filter(pk__in=kept), owner_id=self.owner_id)
        if not self.filters.is_by_content:
            return set(rows.values_list("pk", flat=True))
        for asset_id, ranked_at in (ranks := list(rows.values_list("pk", "ranked_at"))):
            kept[asset_id].ranked_at = ranked_at  # where its tile stands
        return {asset_id for asset_id, _ in ranks}


@dataclass(frozen=True, slots=True)
class GroupingsPage(LivePage):
    """Tells the pages of collections, tags and projects that something changed: they ask for themselves."""

    def render(self, changes: Changes) -> dict[str, Any]:
        return {"assets": [], "operations": operations_html(self.owner_id)}


class LibraryConsumer(LiveConsumer):
    """The page says what it shows in the socket's query: its own filter, `trash=1` or `lists=1`."""

    def page_of(self, owner_id: int) -> LivePage:
        query = QueryDict(self.scope["query_string"])
        if "lists" in query:
            return GroupingsPage(owner_id)
        return LibraryPage(owner_id, AssetFilter.from_query(query), "trash" in query)


def operations_html(owner_id: int) -> str:
    return render_to_string("library/_operations.html", {"operations": in_work(owner_id)})


def pushed_tile(asset: Asset, stack: Stack | None, *, shown: bool, in_trash: bool) -> dict[str, object]:
    """One asset of a `changes` message."""
    if not shown:
        return removed_tile(str(asset.pk), asset.media)
    html = render_to_string("library/_tile.html", {"tile": Tile(asset, in_trash, stack)})
    return {"id": str(asset.pk), "media": asset.media, "html": html, "removed": False}


def removed_tile(asset_id: str, media: str) -> dict[str, object]:
    return {"id": asset_id, "media": media, "html": "", "removed": True}
