"""How far a copy has come, kept in a table of the target's until all is there.

A table's position is written in the transaction that inserts the rows before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from ourvidz.database_copy.databases import target

TABLE = "ourvidz_move"
POSITION = "position "
EMPTIED = "emptied"


def exists() -> bool:
    return TABLE in target().introspection.table_names()


def require_whole(connection: BaseDatabaseWrapper) -> None:
    """Raises `CommandError` where this database is a copy that was not finished: rows are missing."""
    try:
        is_half_done = TABLE in connection.introspection.table_names()
    except Error:  # it is away: whoever needs it says so
        return
    if is_half_done:
        raise CommandError(
            "This database is a half-done copy: finish `manage.py move_to` with the database that was in use."
        )


def create() -> None:
    _execute(f"CREATE TABLE {TABLE} (name varchar(200) PRIMARY KEY, value text NOT NULL)")


def drop() -> None:
    _execute(f"DROP TABLE {TABLE}")


def clear() -> None:
    _execute(f"DELETE FROM {TABLE}")


def read() -> Mapping[str, str]:
    with target().cursor() as cursor:
        cursor.execute(f"SELECT name, value FROM {TABLE}")
        return dict(cursor.fetchall())


def write(**values: str) -> None:
    for name, value in values.items():
        _write(name, value)


def position(table: str) -> str | None:
    """The primary key, as text, up to which the table's rows are there; None before the first."""
    return read().get(POSITION + table)


def set_position(table: str, key: object) -> None:
    _write(POSITION + table, str(key))


def _write(name: str, value: str) -> None:
    _execute(
        f"INSERT INTO {TABLE} (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )


def _execute(query: str, *values: str) -> None:
    with target().cursor() as cursor:
        cursor.execute(query, values)
