"""The tables of all models, in an order in which each row comes after the rows that it refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.db.utils import DataError, IntegrityError

from generation.models import Embedding, EmbeddingModel, SearchEntry, SearchIndexBuild, TextEmbedding

# Rows in memory and in one transaction; a job has some 2 KB, at most some 100.
CHUNK = 500
# What each engine stores in its own way is made anew: the chores of the target do it from the other rows, and
# embedders, once `manage.py embeddings enable` was said there.
DERIVED: frozenset[type[Model]] = frozenset(
    {SearchEntry, SearchIndexBuild, EmbeddingModel, Embedding, TextEmbedding}
)

Row = tuple[Any, ...]


class Table:
    """A model's own table, whatever its managers hide; the first column is the primary key."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.name = model._meta.db_table

    def __str__(self) -> str:
        return self.name

    @cached_property
    def fields(self) -> list[Field[Any, Any]]:
        """The columns that are stored, the primary key first."""
        stored = [field for field in self.model._meta.local_concrete_fields if not field.generated]
        return sorted(stored, key=lambda field: not field.primary_key)

    @cached_property
    def columns(self) -> list[str]:
        return [str(field.column) for field in self.fields]

    def rows(self, using: str) -> QuerySet[Any, Row]:
        names = [field.attname for field in self.fields]
        return self.model._base_manager.using(using).order_by().values_list(*names)

    def rows_after(self, using: str, key: str | None) -> QuerySet[Any, Row]:
        """By primary key, those after the one that `key` is the text of."""
        column = self.fields[0].attname
        rows = self.rows(using).order_by(column)
        return rows if key is None else rows.filter(**{f"{column}__gt": self.fields[0].to_python(key)})

    def count(self, using: str) -> int:
        return self.rows(using).count()

    def insert(self, rows: Sequence[Row], using: str) -> None:
        """Raises `CommandError` that names the first row which the database refuses."""
        try:
            self._insert(rows, using)
        except (DataError, IntegrityError):
            for row in rows:
                self._insert_one(row, using)
            raise

    def _insert_one(self, row: Row, using: str) -> None:
        try:
            self._insert([row], using)
        except (DataError, IntegrityError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"The target refuses the row {row[0]} of {self}: {reason}") from error

    def _insert(self, rows: Iterable[Row], using: str) -> None:
        connection = connections[using]
        columns = ", ".join(connection.ops.quote_name(column) for column in self.columns)
        values = ", ".join(["%s"] * len(self.fields))
        query = f"INSERT INTO {connection.ops.quote_name(self.name)} ({columns}) VALUES ({values})"
        prepare = [_prepared_by(field) for field in self.fields]
        prepared = [
            [to_db(value, connection) for to_db, value in zip(prepare, row, strict=True)] for row in rows
        ]
        with transaction.atomic(using=using), connection.cursor() as cursor:
            cursor.executemany(query, prepared)


def _prepared_by(field: Field[Any, Any]) -> Callable[..., Any]:
    """What turns a value into the database's. None in a JSON column that has no NULL is JSON's null."""
    return field.get_db_prep_save if field.null else field.get_db_prep_value


def chunks(rows: QuerySet[Any, Row]) -> Iterator[list[Row]]:
    """The rows of one query, so many at a time."""
    streamed = rows.iterator(chunk_size=CHUNK)
    while chunk := list(islice(streamed, CHUNK)):
        yield chunk


def all_tables() -> list[list[Table]]:
    """Every table to be copied, in groups to be filled one after the other."""
    models = apps.get_models(include_auto_created=True)
    own = [model for model in models if model._meta.managed and not model._meta.proxy]
    copied = [model for model in own if model not in DERIVED]
    return [[Table(model) for model in group] for group in load_order(copied)]


def load_order(models: Iterable[type[Model]]) -> list[list[type[Model]]]:
    """Groups of models: each refers to itself and to earlier groups alone.

    A group of more than one model is a circle of references.
    """
    needed = {model: {model} for model in models}
    further = {model: (_referred(model) & needed.keys()) | {model} for model in needed}
    while further != needed:
        needed = further
        further = {model: set().union(*map(needed.__getitem__, others)) for model, others in needed.items()}
    # Who refers to others needs all that they need, and itself: more, unless they need it too.
    groups: dict[frozenset[type[Model]], list[type[Model]]] = {}
    for model in sorted(needed, key=lambda model: (len(needed[model]), model._meta.db_table)):
        groups.setdefault(frozenset(needed[model]), []).append(model)
    return list(groups.values())


def _referred(model: type[Model]) -> set[type[Model]]:
    fields = [field for field in model._meta.local_concrete_fields if isinstance(field, ForeignKey)]
    others = [field.remote_field.model for field in fields]
    return {other._meta.concrete_model or other for other in others}


def refers_to_itself(group: Sequence[Table]) -> bool:
    """Whether a row of the group may come before one that it refers to."""
    return len(group) > 1 or any(table.model in _referred(table.model) for table in group)
