"""Many rows of one table, each with values of its own, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models


def update_each(rows: Sequence[models.Model], fields: Sequence[str]) -> int:
    """Write these fields of each row, as the instances have them; the number of rows found.

    `bulk_update` writes a `CASE` for each field with a branch for each row: for six images that takes it ten
    times as long as to join them with a list of `VALUES` (docs/benchmarks.md).
    """
    model = type(rows[0])
    named: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in fields)]
    values = [_values(row, named) for row in rows]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    changes = ", ".join(f"{quote(f.column)} = given.column{n}" for n, f in enumerate(named[1:], 2))
    sql = f"""UPDATE {table} SET {changes} FROM (VALUES {", ".join(sql for sql, _ in values)}) AS given
        WHERE {table}.{quote(named[0].column)} = given.column1"""  # noqa: S608 - names of ours
    with connection.cursor() as cursor:
        cursor.execute(sql, [param for _, params in values for param in params])
        return int(cursor.rowcount)


def _values(row: models.Model, fields: Sequence[Any]) -> tuple[str, list[Any]]:
    compiled = [_value(getattr(row, field.attname), field) for field in fields]
    return f"({', '.join(sql for sql, _ in compiled)})", [param for _, params in compiled for param in params]


def _value(value: Any, field: Any) -> tuple[str, list[Any]]:
    if hasattr(value, "resolve_expression"):
        compiler = field.model.objects.none().query.get_compiler(connection=connection)
        sql, params = compiler.compile(value)
    else:
        sql, params = "%s", [field.get_db_prep_save(value, connection)]
    if connection.features.requires_casted_case_in_updates:  # where a bare parameter of VALUES is text
        sql = f"CAST({sql} AS {field.db_type(connection)})"
    return sql, list(params)
