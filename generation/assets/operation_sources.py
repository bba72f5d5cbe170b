"""Which assets a bulk operation changes next, and how many there are in all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from generation.assets import listing
from generation.assets.actions import MAX_IDS
from generation.assets.filters import AssetFilter
from generation.assets.groupings import KINDS
from generation.models import Asset, BulkOperation, Job, Source

CHUNK = MAX_IDS
MOST = 2**31 - 2  # counted


def _listed(operation: BulkOperation) -> listing.Listing:
    if operation.source == Source.TRASH:
        source = listing.trashed(owner_id=operation.owner_id)
    else:
        only = AssetFilter.from_query(QueryDict(operation.query)).opened
        source = listing.saved(owner_id=operation.owner_id, only=only)
    by = "saved_at" if source.by == "ranked_at" else source.by
    before = {f"{by}__lte": operation.created_at}
    return replace(source, source=source.source.filter(**before))


def _from_listing(operation: BulkOperation) -> tuple[list[uuid.UUID], bool]:
    page = _listed(operation).page(operation.cursor, CHUNK)
    operation.cursor = page.next_cursor
    return [asset.pk for asset in page.assets], not page.next_cursor


def _from_project(operation: BulkOperation) -> tuple[list[uuid.UUID], bool]:
    """Its first ones: what was moved away is no longer there."""
    some = _of_project(operation).order_by("id").values_list("pk", flat=True)[: CHUNK + 1]
    ids = list(some)
    return ids[:CHUNK], len(ids) <= CHUNK


def _of_project(operation: BulkOperation) -> QuerySet[Asset]:
    return Asset.objects.of(operation.owner_id).filter(project_id=operation.value["from"])


def next_job_ids(operation: BulkOperation) -> list[uuid.UUID]:
    """Of the jobs of the project that is left, a chunk."""
    jobs = Job.objects.of(operation.owner_id).filter(project_id=operation.value["from"])
    return list(jobs.order_by("id").values_list("pk", flat=True)[:CHUNK])


def _from_group(operation: BulkOperation) -> tuple[list[uuid.UUID], bool]:
    """A collection's (or tag's) items by id; those whose asset is in the trash too."""
    items = _items_of(operation).filter(pk__gt=int(operation.cursor or 0)).order_by("pk")
    found = list(items.values_list("pk", "asset_id")[: CHUNK + 1])
    page = found[:CHUNK]
    if page:
        operation.cursor = str(page[-1][0])
    return [asset_id for _, asset_id in page], len(found) <= CHUNK


def _items_of(operation: BulkOperation) -> QuerySet[Any]:
    kind = KINDS[operation.value["kind"]]
    rows: QuerySet[Any] = kind.items.objects.filter(
        group_id=operation.value["from"], group__owner_id=operation.owner_id
    )
    return rows


SOURCES: dict[str, Callable[[BulkOperation], tuple[list[uuid.UUID], bool]]] = {
    Source.LIBRARY: _from_listing,
    Source.TRASH: _from_listing,
    Source.PROJECT: _from_project,
    Source.GROUP: _from_group,
}


def count(operation: BulkOperation) -> int:
    match operation.source:
        case Source.PROJECT:
            return _of_project(operation).count()
        case Source.GROUP:
            return _items_of(operation).count()
    matching, left_out = _listed(operation), operation.value.get("except")
    if not left_out:
        return matching.count(most=MOST)
    of_these = replace(matching, source=matching.source.filter(pk__in=left_out))
    return matching.count(most=MOST) - of_these.count(most=MOST)
