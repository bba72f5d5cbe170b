"""Collections, tags and projects as their pages show them: each with a cover, a number and where it leads."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, UUIDField
from django.urls import reverse

from generation.access.projects import live_projects
from generation.assets.filters import AssetFilter
from generation.assets.groupings import COLLECTIONS, TAGS, Kind
from generation.changes.project_totals import stored_totals
from generation.models import Asset, Project


@dataclass(frozen=True, slots=True)
class Sort:
    """Collections, tags or projects: their words and addresses."""

    name: str
    plural: str
    query: str  # the field of the filter

    def url(self, what: str, group_id: uuid.UUID) -> str:
        return reverse(f"library:{self.name}-{what}", args=[group_id])

    @property
    def index_url(self) -> str:
        return reverse(f"library:{self.plural}")


SORTS = {name: Sort(name, f"{name}s", name) for name in ("collection", "tag", "project")}


@dataclass(frozen=True, slots=True)
class Card:
    """One of them; `stored_bytes` is None where it is not counted."""

    id: uuid.UUID
    name: str
    count: int
    url: str
    edit_url: str
    cover: Asset | None
    stored_bytes: int | None = None
    is_default: bool = False

    @property
    def number(self) -> str:
        """How many are in it, in words."""
        return f"{self.count:,} item{'s' * (self.count != 1)}"


def cards(sort: Sort, groups: Sequence[Any]) -> list[Card]:
    """With two queries for the covers of any number."""
    covers = _covers(sort, [group.pk for group in groups])
    return [_card(sort, group, covers.get(group.pk)) for group in groups]


def _card(sort: Sort, group: Any, cover: Asset | None) -> Card:
    count, stored, is_default = 0, None, False
    if isinstance(group, Project):
        totals = stored_totals(group)
        count, stored, is_default = totals.images + totals.videos, totals.stored_bytes, group.is_default
    else:
        count = group.count
    return Card(
        id=group.pk,
        name=group.name,
        count=count,
        url=f"{reverse('library:home')}?{sort.query}={group.pk}",
        edit_url=sort.url("edit", group.pk),
        cover=cover,
        stored_bytes=stored,
        is_default=is_default,
    )


def _covers(sort: Sort, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Asset]:
    """The newest asset of each that has one: one look at its index each."""
    wanted = list(ids)
    if sort.name == "project":
        newest = Asset.objects.in_library().filter(project=OuterRef("pk")).order_by("-saved_at", "-id")
        pairs = Project.objects.filter(pk__in=wanted).values_list("pk", Subquery(newest.values("pk")[:1]))
    else:
        kind = kind_of(sort)
        items = kind.items.objects.filter(group=OuterRef("pk"), shown=True).order_by("-saved_at", "-asset")
        pairs = kind.model.objects.filter(pk__in=wanted).values_list(
            "pk", Subquery(items.values("asset_id")[:1], output_field=UUIDField())
        )
    of_group = {group_id: asset_id for group_id, asset_id in pairs if asset_id}
    assets = Asset.objects.only("pk", "media", "width", "height").in_bulk(list(of_group.values()))
    return {group_id: assets[asset_id] for group_id, asset_id in of_group.items() if asset_id in assets}


def kind_of(sort: Sort) -> Kind:
    return COLLECTIONS if sort.name == "collection" else TAGS


def rows_of(sort: Sort, owner_id: int) -> QuerySet[Any]:
    """The owner's, in no order."""
    if sort.name == "project":
        return live_projects(owner_id)
    rows: QuerySet[Any] = kind_of(sort).model.objects.filter(owner_id=owner_id, deleted_at=None)
    return rows


def _groups(owner_id: int, filters: AssetFilter) -> list[tuple[Sort, Any]]:
    """The collection and the tag that the filter names, where they are the owner's."""
    ids = {"collection": filters.collection_id, "tag": filters.tag_id}
    named = [(SORTS[name], group_id) for name, group_id in ids.items() if group_id]
    found = [(sort, rows_of(sort, owner_id).filter(pk=group_id).first()) for sort, group_id in named]
    return [(sort, group) for sort, group in found if group]


def known_groups(owner_id: int, filters: AssetFilter) -> AssetFilter:
    """The filter without a collection or tag that is not there: the page must show the filter it applies."""
    known = {sort.name: group.pk for sort, group in _groups(owner_id, filters)}
    return replace(filters, collection_id=known.get("collection"), tag_id=known.get("tag"))


@dataclass(frozen=True, slots=True)
class Group:
    """A collection or a tag that the page shows."""

    sort: Sort
    card: Card


def filtered_groups(owner_id: int, filters: AssetFilter) -> list[Group]:
    """What the page says of the collection and the tag that it shows."""
    return [Group(sort, _card(sort, group, None)) for sort, group in _groups(owner_id, filters)]
