"""Whether this installation has embeddings, and of which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import OperationalError, ProgrammingError, connection, transaction
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from generation.core.errors import DomainError
from generation.core.ids import LAST_ID
from generation.models import EmbeddingModel, TextEmbedding

EXTENSION = "EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')"
INDEX = "embedding_vectors"
# As an interrupted CREATE INDEX CONCURRENTLY leaves it: there, and never used.
UNFINISHED = """
    SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = %s AND indrelid = 'generation_embedding'::regclass AND NOT indisvalid
"""
OLDEST = (0, 8)  # of pgvector: it reads its index on until there are enough of an owner's
Thresholds = Mapping[str, Sequence[float]]


class NoEmbeddings(DomainError):
    """This installation has none, for the reason in the message."""

    code = "no_embeddings_here"


class Busy(DomainError):
    """Somebody else holds what is to be changed."""

    code = "not_now"


class OtherEmbeddingModel(DomainError):
    """The vectors here are of another model."""

    code = "other_embedding_model"


def current() -> EmbeddingModel | None:
    """The model in use; None where there are no embeddings. Without a name until an embedder has called."""
    if connection.vendor != "postgresql":
        return None
    has_extension = RawSQL(EXTENSION, (), BooleanField())  # noqa: S611 # a constant
    return EmbeddingModel.objects.filter(has_extension).first()


def required() -> EmbeddingModel:
    """Raises NoEmbeddings."""
    model = current()
    if model is None:
        raise NoEmbeddings("This server has no embeddings: see docs/operations.md.")
    return model


def vector_type(model: EmbeddingModel) -> str:
    """The type that the index compares, in SQL: half precision, so that it takes half of the room."""
    return f"halfvec({int(model.dimensions or 0)})"


def enable() -> EmbeddingModel:
    """Have embeddings from now on; older results are asked for by the chores, newest first.

    Makes the vectors' index where it was lost, or never finished. Raises NoEmbeddings where the database has
    no pgvector.
    """
    if connection.vendor != "postgresql":
        raise NoEmbeddings("Embeddings need PostgreSQL with pgvector; this is SQLite.")
    _make_extension()
    model, _ = EmbeddingModel.objects.get_or_create(pk=1, defaults={"below": LAST_ID})
    if model.name:
        _make_index(model, how="" if connection.in_atomic_block else "CONCURRENTLY")
    return model


def _make_extension() -> None:
    """Raises NoEmbeddings."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'")
        if cursor.fetchone() is None:
            raise NoEmbeddings("This PostgreSQL has no pgvector: install its package on the server first.")
        try:
            with transaction.atomic():
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except ProgrammingError as refused:
            message = "Only a superuser may add pgvector here: let one say CREATE EXTENSION vector."
            raise NoEmbeddings(message) from refused
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        [version] = cursor.fetchone()
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise NoEmbeddings(
            f"pgvector 0.8 or newer is needed, this is {version}: ALTER EXTENSION vector UPDATE."
        )


@transaction.atomic
def disable() -> None:
    """Delete all vectors and forget the model. The extension stays.

    Raises Busy where somebody reads for long: what waits for that would stop every callback.
    """
    list(EmbeddingModel.objects.select_for_update())  # first, as chores and embedders do
    try:
        _delete_vectors()
    except OperationalError as late:
        raise Busy("Something reads the embeddings for long, a backup perhaps. Try again later.") from late
    TextEmbedding.objects.all().delete()
    EmbeddingModel.objects.all().delete()


def _delete_vectors() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '3s'")
        cursor.execute(f"DROP INDEX IF EXISTS {INDEX}")
        # Deleted rows would be in the next index too, of other dimensions, while somebody may still see them.
        cursor.execute("TRUNCATE generation_embedding")
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


@transaction.atomic
def adopt(*, name: str, dimensions: int, thresholds: Thresholds) -> EmbeddingModel:
    """The model in use, which is this one: of the first embedder that calls.

    Raises:
        NoEmbeddings: There are none here.
        OtherEmbeddingModel: The vectors here are of another one.
    """
    model = required()
    if not model.name:
        model = _named(name, dimensions)
    if (model.name, model.dimensions) != (name, dimensions):
        raise OtherEmbeddingModel(
            f"Embeddings here are of {model.name} with {model.dimensions} dimensions. `manage.py embeddings"
            " disable` and `enable` forget them, and take another model."
        )
    if model.thresholds != thresholds:
        EmbeddingModel.objects.filter(name=name).update(thresholds=thresholds)
        model.thresholds = dict(thresholds)
    return model


def _named(name: str, dimensions: int) -> EmbeddingModel:
    """The model in use, with this name where it has none yet. Raises NoEmbeddings: it went meanwhile."""
    model = EmbeddingModel.objects.select_for_update().first()
    if model is None:
        return required()
    if not model.name:
        model.name, model.dimensions = name, dimensions
        model.save(update_fields=["name", "dimensions"])
        _make_index(model)  # while there are no vectors yet, so that nobody waits for it
    return model


def _make_index(model: EmbeddingModel, how: str = "") -> None:
    vector = f"(vector::{vector_type(model)})"
    with connection.cursor() as cursor:
        cursor.execute(UNFINISHED, [INDEX])
        if cursor.fetchone() is not None:
            cursor.execute(f"DROP INDEX {how} IF EXISTS {INDEX}")
        cursor.execute(
            f"CREATE INDEX {how} IF NOT EXISTS {INDEX} ON generation_embedding"
            f" USING hnsw ({vector} halfvec_cosine_ops)"
        )
