"""What embedders are to make vectors of, who is at it, and what they send."""

from __future__ import annotations

import base64
import binascii
import math
import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from generation.assets.embeddings import model as embedding_model
from generation.changes import publisher
from generation.core.clock import from_now
from generation.core.errors import DomainError
from generation.models import Asset, Embedding, EmbeddingModel, TextEmbedding, Worker
from generation.models.embedding import MAX_ATTEMPTS

log = structlog.get_logger("ourvidz.embeddings")
IMAGE_SECONDS = 60
TEXT_SECONDS = 10  # somebody waits for it
GIVEN_UP = Q(vector=None, attempts__gte=MAX_ATTEMPTS) & (Q(leased_until=None) | Q(leased_until__lt=Now()))
WANT = """
    INSERT INTO generation_embedding (asset_id, owner_id, attempts)
    SELECT id, owner_id, 0 FROM generation_asset
    WHERE id = ANY(%s) AND EXISTS (SELECT FROM generation_embeddingmodel)
    ON CONFLICT DO NOTHING
"""


class EmbeddingNotAllowed(DomainError):
    """The worker may not see what is embedded."""

    code = "embedding_not_allowed"


class BadVector(ValueError):
    """Not so many finite numbers, or all zero."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an embedder got to do, of one kind."""

    images: Sequence[uuid.UUID] = ()
    texts: Sequence[TextEmbedding] = ()
    seconds: int = IMAGE_SECONDS

    def __bool__(self) -> bool:
        return bool(self.images or self.texts)


@dataclass(slots=True)
class Outcome:
    """What became of what an embedder sent."""

    accepted: list[uuid.UUID] = field(default_factory=list)
    duplicate: list[uuid.UUID] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)

    def reject(self, id_: uuid.UUID, code: str, message: str) -> None:
        self.rejected.append({"id": id_, "code": code, "message": message})


def want(asset_ids: Sequence[uuid.UUID]) -> int:
    """Ask for the embeddings of these completed results, where this installation has any; once for each."""
    if connection.vendor != "postgresql" or not asset_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(WANT, [list(asset_ids)])
        wanted = int(cursor.rowcount)
    if wanted:
        publisher.embeddings_wanted()
    return wanted


def retry() -> int:
    """Ask again for what was given up; how many."""
    again = Embedding.objects.filter(GIVEN_UP).update(attempts=0, leased_until=None)
    if again:
        publisher.embeddings_wanted()
    return again


def require_embedder(worker: Worker) -> None:
    """Raises EmbeddingNotAllowed."""
    if not worker.embeds:
        raise EmbeddingNotAllowed("This worker may not embed: see `manage.py create_worker --embeds`.")


@transaction.atomic
def lease(*, worker: Worker, limit: int) -> Work:
    """Texts that people wait for, else images, newest first; nothing for a worker that is draining.

    What was leased before and not done is leased by itself: it may be what ended its embedder.
    """
    if worker.draining:
        return Work()
    if texts := _take(worker, TextEmbedding.objects.order_by("asked_at"), limit, TEXT_SECONDS):
        return Work(texts=texts, seconds=TEXT_SECONDS)
    images = _take(worker, Embedding.objects.order_by("-asset_id"), limit, IMAGE_SECONDS)
    return Work(images=[row.pk for row in images])


def _take(worker: Worker, rows: QuerySet[Any], limit: int, seconds: int) -> list[Any]:
    free = Q(leased_until=None) | Q(leased_until__lt=Now())
    wanted = rows.filter(free, vector=None).select_for_update(skip_locked=True)
    taken = list(wanted.filter(attempts=0)[:limit])
    taken = taken or list(wanted.filter(attempts__gt=0, attempts__lt=MAX_ATTEMPTS).order_by("attempts")[:1])
    held = rows.model.objects.filter(pk__in=[row.pk for row in taken])
    held.update(attempts=F("attempts") + 1, leased_by=worker.pk, leased_until=from_now(seconds))
    return taken


def leased_image(*, worker: Worker, asset_id: uuid.UUID) -> Asset | None:
    """The result that this embedder holds now."""
    held = Embedding.objects.filter(leased_by=worker.pk, leased_until__gte=Now(), vector=None)
    return Asset.objects.completed().filter(embedding__in=held, pk=asset_id).first()


@transaction.atomic
def accept(
    *, worker: Worker, name: str, images: Sequence[Mapping[str, Any]], texts: Sequence[Mapping[str, Any]]
) -> Outcome:
    """Keep these vectors. Each item has `id` and either `vector`, in base64, or `error`.

    Raises NoEmbeddings, OtherEmbeddingModel.
    """
    model = embedding_model.required()
    if model.name != name:
        raise embedding_model.OtherEmbeddingModel(f"Embeddings here are of {model.name or 'no model yet'}.")
    outcome = Outcome()
    for rows, items in ((Embedding.objects.all(), images), (TextEmbedding.objects.all(), texts)):
        _accept(worker, model, rows, {each["id"]: each for each in items}, outcome)
    return outcome


def _accept(
    worker: Worker,
    model: EmbeddingModel,
    rows: QuerySet[Any],
    items: Mapping[uuid.UUID, Mapping[str, Any]],
    outcome: Outcome,
) -> None:
    found = {row.pk: row for row in rows.filter(pk__in=items).order_by("pk").select_for_update()}
    done = []
    for id_, item in items.items():
        row = found.get(id_)
        if row is None or row.leased_by != worker.pk:
            outcome.reject(id_, "unknown", "This was not asked of this worker.")
        elif row.vector is not None:
            outcome.duplicate.append(id_)
        elif item["error"]:
            log.warning("embedding.failed", worker=str(worker.pk), id=str(id_), reason=item["error"][:200])
            done.append(row)
            outcome.accepted.append(id_)
        else:
            _fill(row, item["vector"], model, done, outcome)
    for row in done:
        row.leased_until = None  # where there is no vector, free for another attempt
    if done:
        rows.bulk_update(done, ["vector", "leased_until"])


def _fill(
    row: Embedding | TextEmbedding, encoded: str, model: EmbeddingModel, done: list[Any], outcome: Outcome
) -> None:
    done.append(row)
    try:
        row.vector = unit_vector(encoded, model.dimensions or 0)
    except BadVector as bad:
        outcome.reject(row.pk, "bad_vector", str(bad))
    else:
        outcome.accepted.append(row.pk)


def unit_vector(encoded: str, dimensions: int) -> list[float]:
    """The numbers of base64 of little-endian float32, made to length 1. Raises BadVector."""
    try:
        content = base64.b64decode(encoded, validate=True)
        numbers = struct.unpack(f"<{dimensions}f", content)
    except (binascii.Error, ValueError, struct.error):
        message = f"A vector is base64 of {dimensions} little-endian float32."
        raise BadVector(message) from None
    length = math.sqrt(math.fsum(number * number for number in numbers))
    if not math.isfinite(length) or length < 1e-12:
        message = "A vector has finite numbers, not all of them zero."
        raise BadVector(message)
    return [number / length for number in numbers]
