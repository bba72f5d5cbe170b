"""Adding to the search index the results from before there was one, and what is missing in it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.models import Q

from generation.assets.search import index
from generation.core import isolation
from generation.core.text import search_key
from generation.models import Asset, AssetStatus, SearchIndexBuild

CHUNK = 500  # results in one transaction
SECONDS = 3.0  # of a round: the queue's chores wait meanwhile


def index_older_results(seconds: float = SECONDS) -> int:
    """Index results newest first, for so many seconds; where one run stopped, the next one goes on."""
    indexed, end = 0, time.monotonic() + seconds
    while number := _next_chunk():
        indexed += number
        if time.monotonic() > end:
            break
    return indexed


@transaction.atomic
def _next_chunk() -> int:
    build = SearchIndexBuild.objects.select_for_update(skip_locked=True).first()
    if build is None:
        return 0
    older = Asset.objects.completed().filter(pk__lt=build.below).order_by("-pk")
    ids = list(older.values_list("pk", flat=True)[:CHUNK])
    isolation.in_batch(ids, _index)
    if len(ids) < CHUNK:
        build.delete()
    else:
        SearchIndexBuild.objects.update(below=ids[-1])
    return len(ids)


def _index(asset_ids: Sequence[uuid.UUID]) -> int:
    index.refresh(asset_ids=asset_ids)
    return len(asset_ids)


def unsearchable_assets() -> Iterator[uuid.UUID]:
    """What an older version wrote after the migrations; not what the chores are still to add to the index."""
    unsearchable = Q(search_text=None)
    if index.is_complete():
        unsearchable |= Q(status=AssetStatus.COMPLETED, search_entry=None)
    rows = Asset.objects.filter(unsearchable).order_by("pk")
    return rows.values_list("pk", flat=True).iterator(chunk_size=2000)


def make_searchable(asset_id: uuid.UUID) -> None:
    index.refresh(asset_ids=[asset_id])
    for asset in Asset.objects.filter(pk=asset_id).only("prompt"):
        Asset.objects.filter(pk=asset_id).update(search_text=search_key(asset.prompt))
