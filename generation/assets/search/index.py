"""Writing the search index: a result's entry changes in the transaction that changes what it says.

A result is indexed when it completes, with what its callback brings: before that it is in no Library.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.db import connection, transaction

from generation.assets.search.match import stored, trait
from generation.assets.search.tokens import document
from generation.models import Asset, AssetStatus, Job, SearchEntry, SearchIndexBuild


@transaction.atomic
def refresh(*, asset_ids: Sequence[uuid.UUID]) -> None:
    """Index those of the results that are completed, by what their rows say now."""
    found = Asset.objects.completed().filter(pk__in=asset_ids).select_related("job").order_by("pk")
    write(found.only(*FIELDS).select_for_update(of=("self",)))  # against what changes them meanwhile


FIELDS = (
    *("owner_id", "title", "prompt", "seed", "width", "height", "status", "saved_at", "trashed_at"),
    *("job__job_type", "job__model", "job__negative_prompt", "job__enhanced_prompt"),
)


def write(assets: Iterable[Asset], *, enhanced_prompt: str | None = None) -> None:
    """Index these results, whose jobs are loaded, by what the instances say, in one statement.

    `enhanced_prompt` is the job's new one where it is about to be written.
    """
    entries = [
        SearchEntry(
            asset=asset,
            tokens=_tokens(asset, asset.job, enhanced_prompt),
            saved_at=None if asset.trashed_at else asset.saved_at,
        )
        for asset in assets
        if asset.status == AssetStatus.COMPLETED
    ]
    SearchEntry.objects.bulk_create(
        entries, update_conflicts=True, unique_fields=["asset"], update_fields=["tokens", "saved_at"]
    )


def _tokens(asset: Asset, job: Job, enhanced_prompt: str | None) -> str:
    enhanced = job.enhanced_prompt if enhanced_prompt is None else enhanced_prompt
    words = document([asset.title, asset.prompt, enhanced, job.negative_prompt])
    traits = [trait("type", job.job_type), trait("shape", shape_of(asset))]
    if job.model:
        traits.append(trait("model", job.model))
    if asset.seed is not None:
        traits.append(trait("seed", asset.seed))
    return stored(asset.owner_id, words, traits, connection.vendor)


def shape_of(asset: Asset) -> str:
    width, height = asset.width or 1, asset.height or 1
    return "square" if width == height else "landscape" if width > height else "portrait"


def is_complete() -> bool:
    """Whether all results are indexed; after an upgrade the chores add the older ones."""
    return not SearchIndexBuild.objects.exists()
