"""Statements that the ORM builds once and that then run with other values.

For the hottest paths only: building a statement takes the ORM longer than running it takes the database
(docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models
from django.db.models.expressions import Expression
from django.db.models.sql import InsertQuery, Query, UpdateQuery

Statement = tuple[str, Sequence[Any]]


class Given(Expression):
    """Stands for a value of `field` that each run gives by `name`."""

    def __init__(self, name: str, field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, *_: object) -> Any:
        return "%s", [self]


def given(model: type[models.Model], *fields: str) -> dict[str, Given]:
    """For each field (by its column's attribute: `owner_id`) a `Given` of its name."""
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return {name: Given(name, by_name[name]) for name in fields}


def select(queryset: models.QuerySet[Any, Any]) -> Statement:
    return _built(queryset.query)


def update(queryset: models.QuerySet[Any, Any], **changes: object) -> Statement:
    query: Any = queryset.query.chain(UpdateQuery)
    query.add_update_values(changes)
    return _built(query)


def insert(row: models.Model) -> Statement:
    """The insert of an unsaved row, whose attributes may be `Given`; the database numbers it."""
    query = InsertQuery(type(row))
    fields = [field for field in row._meta.concrete_fields if not isinstance(field, models.AutoField)]
    query.insert_values(fields, [row])
    [(sql, params)] = query.get_compiler(connection=connection).as_sql()
    return sql, params


def _built(query: Query) -> Statement:
    sql, params = query.get_compiler(connection=connection).as_sql()
    return sql, params


def bind(statement: Statement, **values: object) -> Statement:
    """The statement with its values."""
    sql, params = statement
    return sql, [
        p.output_field.get_db_prep_value(values[p.name], connection) if isinstance(p, Given) else p
        for p in params
    ]


def run(statement: Statement, **values: object) -> list[tuple[Any, ...]]:
    """The rows it answers with."""
    with connection.cursor() as cursor:
        cursor.execute(*bind(statement, **values))
        return cursor.fetchall() if cursor.description else []
