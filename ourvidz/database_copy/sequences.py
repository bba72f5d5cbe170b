"""The next ids: none is given twice, not even that of a row which was deleted before the move."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max

from ourvidz.database_copy.databases import TARGET, source, target
from ourvidz.database_copy.tables import Table


def carry_over(table: Table) -> None:
    """The target's next id of this table follows all that the source ever gave, and all that are there."""
    field = table.model._meta.auto_field
    if field is None or field not in table.fields:
        return
    column = str(field.column)
    highest = table.rows(TARGET).aggregate(highest=Max(field.attname))["highest"] or 0
    if last := max(highest, _last(source(), table, column)):
        _set_last(target(), table, column, last)


def _last(connection: BaseDatabaseWrapper, table: Table, column: str) -> int:
    """The id that was given last, 0 before the first."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table.name])
        else:
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", _of_column(connection, table, column))
            [sequence] = cursor.fetchone()
            cursor.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _set_last(connection: BaseDatabaseWrapper, table: Table, column: str, last: int) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table.name])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table.name, last])
        else:
            names = _of_column(connection, table, column)
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [*names, last])


def _of_column(connection: BaseDatabaseWrapper, table: Table, column: str) -> list[str]:
    return [connection.ops.quote_name(table.name), column]
