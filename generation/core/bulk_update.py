"""Updating many rows of one table, each with its own values, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models

from generation.core.clock import Now
from generation.core.sql import in_dialect

UPDATE = "UPDATE {table} SET {changes} FROM (VALUES {rows}) AS given WHERE {table}.{key} = given.column1"


def update_each(rows: Sequence[models.Model], fields: Sequence[str]) -> int:
    """Write these fields of each row, as the instances have them; the number of rows found.

    A value may be `Now()`, but no other expression. `bulk_update` writes a `CASE` for each field with a
    branch for each row: for six images that takes it ten times as long as to join them with a list of
    `VALUES` (docs/benchmarks.md).
    """
    model = type(rows[0])
    named: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in fields)]
    values = [[_value(getattr(row, field.attname), field) for field in named] for row in rows]
    sql = in_dialect(
        UPDATE,
        table=model._meta.db_table,
        key=named[0].column,
        changes=", ".join(f'"{field.column}" = given.column{n}' for n, field in enumerate(named[1:], 2)),
        rows=", ".join(f"({', '.join(sql for sql, _ in row)})" for row in values),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [param for row in values for _, params in row for param in params])
        return int(cursor.rowcount)


def _value(value: object, field: Any) -> tuple[str, list[Any]]:
    if isinstance(value, Now):
        return in_dialect("{now}"), []
    # A bare parameter in VALUES is text to PostgreSQL.
    place = f"CAST(%s AS {field.db_type(connection)})" if connection.vendor == "postgresql" else "%s"
    return place, [field.get_db_prep_save(value, connection)]
