"""The results that are most like one of them, or like a text: nearest first, down to a threshold."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import DateTimeField, F, Func, Value
from django.utils import timezone

from generation.assets.embeddings import model as embedding_model
from generation.changes import publisher
from generation.core.errors import DomainError
from generation.core.text import plain_line
from generation.models import Embedding, EmbeddingModel, TextEmbedding
from generation.models.asset import A, AssetQuerySet
from generation.models.embedding import MAX_ATTEMPTS

MOST = 500  # results of a search by content
# An owner with so many is compared with each of them, exactly; with more by the index, nearly so.
COMPARED = 10_000
READ = 3 * MOST  # of the index: some are in the trash
ANSWER_SECONDS = 15  # in which an embedder answers, where one is there
# Of one owner's texts: that wait, that are asked for in an hour, that are kept.
TEXTS_WAITING, TEXTS_AN_HOUR, TEXTS_KEPT = 20, 120, 200
A_DAY = timedelta(days=1)
# How much alike two are, from 0 for opposites: microseconds of one second.
RANK = "greatest(0, least(999999, round((2 - distance) * 500000)))::int"
# Of the ranks and a place among them, `(ranks::int[])[place]`: PostgreSQL has no function for that.
RANKED_AT = "('epoch'::timestamptz + (%(expressions)s] * interval '1 microsecond')"
INDEX_SETTINGS = {
    "hnsw.ef_search": "200",
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "100000",  # of other owners' on the way
    "hnsw.scan_mem_multiplier": "8",
}
SET_LOCALLY = "SELECT " + ", ".join(
    f"set_config('{name}', '{to}', true)" for name, to in INDEX_SETTINGS.items()
)


class State(Enum):
    """Whether there is an answer."""

    FOUND = "found"
    WAITING = "waiting"  # an embedder is asked
    NO_ANSWER = "no answer"  # no embedder has answered for long
    UNKNOWN = "unknown"  # of the result itself there is no embedding, or there are none here


class NotAnswered(DomainError):
    """A search by content has no answer yet; for programs, which ask again."""

    code = "embedding_pending"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("What this text means is being asked for. Ask again in a moment.")


class NoEmbedder(NotAnswered):
    code = "no_embedder"
    retry_after = 60

    def __init__(self) -> None:
        DomainError.__init__(self, "No worker answers what this text means just now.")


@dataclass(frozen=True, slots=True)
class Nearest:
    """What was found and how much alike each is, see RANK; the most alike first.

    A rank depends on its two vectors alone: what comes and goes leaves the others where they stand.
    """

    state: State
    ranks: Mapping[uuid.UUID, int] = field(default_factory=dict)

    @property
    def asset_ids(self) -> list[uuid.UUID]:
        return list(self.ranks)

    def require_answer(self) -> None:
        """Raises NotAnswered."""
        if self.state == State.WAITING:
            raise NotAnswered
        if self.state == State.NO_ANSWER:
            raise NoEmbedder

    def ranked(self, assets: AssetQuerySet[A]) -> AssetQuerySet[A]:
        """Those of the assets that are among these, with `ranked_at`: a moment, the later the more alike.

        All lie in the first second of 1970, so that they are one hour's on a page, and no page names it.
        """
        place = Func(Value(self.asset_ids), F("pk"), function="array_position")
        ranked_at = Func(
            *(Value(list(self.ranks.values())), place),
            template=RANKED_AT,
            arg_joiner="::int[])[",
            output_field=DateTimeField(),
        )
        return cast("AssetQuerySet[A]", assets.filter(pk__in=self.asset_ids).annotate(ranked_at=ranked_at))


def similar_to(*, owner_id: int, asset_id: uuid.UUID, alike: int) -> Nearest:
    """The owner's results like this one, itself among them. `alike`: 0 for loosely, 100 for very much."""
    model = embedding_model.current()
    mine = Embedding.objects.filter(owner_id=owner_id, pk=asset_id, vector__isnull=False)
    vector = mine.values_list("vector", flat=True).first() if model else None
    if not model or vector is None:
        return Nearest(State.UNKNOWN)
    return _nearest(model, owner_id, vector, _cosine(model, "image", alike))


def by_meaning(*, owner_id: int, text: str, alike: int) -> Nearest:
    """The owner's results that look as the text says. The first time an embedder is asked for its vector."""
    model = embedding_model.current()
    if model is None:
        return Nearest(State.UNKNOWN)
    row = _asked_for(owner_id, plain_line(text))
    if row is None or (row.vector is None and row.attempts >= MAX_ATTEMPTS):
        return Nearest(State.NO_ANSWER)
    if row.vector is None:
        late = row.asked_at < timezone.now() - timedelta(seconds=ANSWER_SECONDS)
        return Nearest(State.NO_ANSWER if late else State.WAITING)
    return _nearest(model, owner_id, row.vector, _cosine(model, "text", alike))


def _asked_for(owner_id: int, text: str) -> TextEmbedding | None:
    """The text's row; None where too many others wait, or were asked for."""
    now, mine = timezone.now(), TextEmbedding.objects.filter(owner_id=owner_id)
    row = mine.filter(text=text).first()
    if row is not None:
        mine.filter(pk=row.pk, used_at__lt=now - A_DAY).update(used_at=now)
        return row
    lately = mine.filter(asked_at__gt=now - timedelta(hours=1)).count()
    if mine.filter(vector=None).count() >= TEXTS_WAITING or lately >= TEXTS_AN_HOUR:
        return None
    kept = mine.order_by("-used_at").values_list("pk", flat=True)[: TEXTS_KEPT - 1]
    mine.exclude(pk__in=list(kept)).delete()
    row, _ = TextEmbedding.objects.get_or_create(
        owner_id=owner_id, text=text, defaults={"asked_at": now, "used_at": now}
    )
    publisher.embeddings_wanted()
    return row


def _cosine(model: EmbeddingModel, kind: str, alike: int) -> float:
    loose, strict = model.thresholds[kind]
    return float(loose + (strict - loose) * alike / 100)


def _nearest(model: EmbeddingModel, owner_id: int, vector: Sequence[float], cosine: float) -> Nearest:
    of_type = embedding_model.vector_type(model)
    distance = f"(vector::{of_type} <=> %(vector)s::real[]::{of_type})"
    values: dict[str, Any] = {"owner": owner_id, "vector": list(vector), "furthest": 1 - cosine, "most": MOST}
    has_few = _has_few(owner_id)
    order = "" if has_few else f"ORDER BY {distance} LIMIT {READ}"
    # By the rank, as pages are. PostgreSQL would take what the index gives for sorted, but it is only nearly.
    statement = f"""
        WITH near AS MATERIALIZED (
            SELECT asset_id, {distance} AS distance FROM generation_embedding
            WHERE owner_id = %(owner)s AND vector IS NOT NULL {order}
        )
        SELECT near.asset_id, {RANK} AS rank FROM near
        JOIN generation_asset ON generation_asset.id = near.asset_id
        WHERE distance <= %(furthest)s AND saved_at IS NOT NULL AND trashed_at IS NULL
        ORDER BY rank DESC, near.asset_id DESC LIMIT %(most)s
    """  # noqa: S608 # the type is ours, values are bound
    with transaction.atomic(), connection.cursor() as cursor:
        if not has_few:
            cursor.execute(SET_LOCALLY)
        cursor.execute(statement, values)
        return Nearest(State.FOUND, dict(cursor.fetchall()))


def _has_few(owner_id: int) -> bool:
    mine = Embedding.objects.filter(owner_id=owner_id, vector__isnull=False).order_by()
    return mine[: COMPARED + 1].count() <= COMPARED
