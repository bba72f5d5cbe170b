"""Asking for the embeddings of results from before there were any, and forgetting texts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from generation.assets.embeddings import model as embedding_model
from generation.assets.embeddings.work import want
from generation.models import Asset, EmbeddingModel, TextEmbedding

CHUNK = 1_000  # results in one transaction
SECONDS = 1.0  # of a round
UNUSED = timedelta(days=7)
UNANSWERED = timedelta(hours=1)
BATCH = 5_000


def want_older_results(seconds: float = SECONDS) -> int:
    """Ask for older results' embeddings, newest first, for so many seconds; the next run goes on there."""
    if embedding_model.current() is None:
        return 0
    wanted, end = 0, time.monotonic() + seconds
    while (number := _next_chunk()) is not None:
        wanted += number
        if time.monotonic() > end:
            break
    return wanted


@transaction.atomic
def _next_chunk() -> int | None:
    """How many of the next results were asked for; None at the end."""
    model = EmbeddingModel.objects.select_for_update(skip_locked=True).filter(below__isnull=False).first()
    if model is None:
        return None
    older = Asset.objects.completed().filter(pk__lt=model.below).order_by("-pk")
    ids = list(older.values_list("pk", flat=True)[:CHUNK])
    model.below = ids[-1] if len(ids) == CHUNK else None
    model.save(update_fields=["below"])
    return want(ids)


def without_embedding() -> Iterator[uuid.UUID]:
    """Results that were completed while there are embeddings, and of which nobody asked for any."""
    model = embedding_model.current()
    if model is None or model.below is not None:  # older ones are still to be asked for
        return iter(())
    results = Asset.objects.completed().filter(embedding=None).order_by("pk")
    return results.values_list("pk", flat=True).iterator(chunk_size=2000)


def want_one(asset_id: uuid.UUID) -> None:
    want([asset_id])


def delete_old_texts(limit: int = BATCH) -> int:
    """Delete the embeddings of texts that nobody searched for lately, and what nobody answered."""
    now = timezone.now()
    old = Q(used_at__lt=now - UNUSED) | Q(asked_at__lt=now - UNANSWERED, vector=None)
    ids = list(TextEmbedding.objects.filter(old).order_by("used_at").values_list("pk", flat=True)[:limit])
    TextEmbedding.objects.filter(pk__in=ids).delete()
    return len(ids)
