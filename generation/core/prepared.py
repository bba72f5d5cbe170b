"""Statements that the ORM builds once and that then run with other values.

For the hottest paths only: building a statement takes the ORM longer than running it takes the database
(docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models.expressions import Expression
from django.db.models.sql import InsertQuery, Query, UpdateQuery

Statement = tuple[str, Sequence[Any]]
Row = TypeVar("Row", bound=models.Model)


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
    """The update of these rows; it answers with them as they then are, for `rows`."""
    query: Any = queryset.query.chain(UpdateQuery)
    query.add_update_values(changes)
    sql, params = _built(query)
    return f"{sql} RETURNING {', '.join(_columns(queryset.model))}", params


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


def _columns(model: type[models.Model]) -> list[str]:
    return [connection.ops.quote_name(str(field.column)) for field in model._meta.concrete_fields]


def run(statement: Statement, **values: object) -> list[tuple[Any, ...]]:
    """The rows it answers with, as the database has them."""
    sql, params = statement
    bound = [
        p.output_field.get_db_prep_value(values[p.name], connection) if isinstance(p, Given) else p
        for p in params
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, bound)
        return cursor.fetchall() if cursor.description else []


def rows(model: type[Row], statement: Statement, **values: object) -> list[Row]:
    """The instances that a statement of `select` or `update` answers with."""
    names, convert = _reading(connection.vendor, model)
    return [model.from_db(connection.alias, names, row) for row in convert(run(statement, **values))]


@lru_cache
def _reading(vendor: str, model: type[models.Model]) -> Any:
    """The model's fields by name, and what turns its rows into their Python values."""
    compiler = models.QuerySet(model).query.get_compiler(connection=connection)
    fields = model._meta.concrete_fields
    converters = compiler.get_converters([field.get_col(model._meta.db_table) for field in fields])

    def convert(found: list[tuple[Any, ...]]) -> Any:
        return compiler.apply_converters(found, converters) if converters else found

    return [field.attname for field in fields], convert
