"""Whether this installation has embeddings, and of which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection, transaction
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from generation.core.errors import DomainError
from generation.core.ids import LAST_ID
from generation.models import EmbeddingModel, TextEmbedding

EXTENSION = "EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')"
INDEX = "embedding_vectors"
Thresholds = Mapping[str, Sequence[float]]


class NoEmbeddings(DomainError):
    """This installation has none, for the reason in the message."""

    code = "no_embeddings_here"


class OtherEmbeddingModel(DomainError):
    """The vectors here are of another model."""

    code = "other_embedding_model"


def current() -> EmbeddingModel | None:
    """The model in use; None where there are no embeddings. Without a name until an embedder has called."""
    if connection.vendor != "postgresql":
        return None
    return EmbeddingModel.objects.filter(RawSQL(EXTENSION, (), BooleanField())).first()  # noqa: S611 # a constant


def required() -> EmbeddingModel:
    """Raises NoEmbeddings."""
    model = current()
    if model is None:
        raise NoEmbeddings("This server has no embeddings: see docs/operations.md.")
    return model


def vector_type(model: EmbeddingModel) -> str:
    """The type that the index compares, in SQL: half precision, so that it takes half of the room."""
    return f"halfvec({int(model.dimensions or 0)})"


@transaction.atomic
def enable() -> EmbeddingModel:
    """Have embeddings from now on; older results are asked for by the chores, newest first.

    Raises NoEmbeddings where the database has no pgvector.
    """
    if connection.vendor != "postgresql":
        raise NoEmbeddings("Embeddings need PostgreSQL with pgvector; this is SQLite.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'")
        if cursor.fetchone() is None:
            raise NoEmbeddings("This PostgreSQL has no pgvector: install its package on the server first.")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    return EmbeddingModel.objects.get_or_create(pk=1, defaults={"below": LAST_ID})[0]


@transaction.atomic
def disable() -> None:
    """Delete all vectors and forget the model. The extension stays."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {INDEX}")
        # Deleted rows would be in the next index too, of other dimensions, while somebody may still see them.
        cursor.execute("TRUNCATE generation_embedding")
    TextEmbedding.objects.all().delete()
    EmbeddingModel.objects.all().delete()


@transaction.atomic
def adopt(*, name: str, dimensions: int, thresholds: Thresholds) -> EmbeddingModel:
    """The model in use, which is this one: of the first embedder that calls.

    Raises:
        NoEmbeddings: There are none here.
        OtherEmbeddingModel: The vectors here are of another one.
    """
    model = required()
    if not model.name:
        model = EmbeddingModel.objects.select_for_update().get(pk=model.pk)
    if not model.name:
        model.name, model.dimensions = name, dimensions
        _make_index(model)
    if (model.name, model.dimensions) != (name, dimensions):
        raise OtherEmbeddingModel(
            f"Embeddings here are of {model.name} with {model.dimensions} dimensions. `manage.py embeddings"
            " disable` and `enable` forget them, and take another model."
        )
    if model.thresholds != thresholds:
        model.thresholds = thresholds
        model.save()
    return model


def _make_index(model: EmbeddingModel) -> None:
    """While there are no vectors yet, so that nobody waits for it."""
    vector = f"(vector::{vector_type(model)})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX {INDEX} ON generation_embedding USING hnsw ({vector} halfvec_cosine_ops)"
        )
