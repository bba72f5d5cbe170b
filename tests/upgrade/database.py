"""A database of a test's own, at any migration: a SQLite file, or one on the PostgreSQL that is named."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import psycopg
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from tests.databases import sqlite_file, sqlite_url
from tests.servers.process import free_port

ALIAS = "own"
Rows = dict[str, list[tuple[str, ...]]]
# What another version may add to, and what says how far a database is.
NOT_COMPARED = {"django_migrations", "django_content_type", "auth_permission"}


class OwnDatabase:
    """While it is open, Django knows it as `ALIAS`."""

    def __init__(self, url: str) -> None:
        self.url = url
        known = dict(connections["default"].settings_dict)
        connections.databases[ALIAS] = known | dj_database_url.parse(url) | self._options()

    def _options(self) -> dict[str, object]:
        if self.file:
            return {"OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}}
        return {"OPTIONS": {"server_side_binding": True, "prepare_threshold": 5}}

    @property
    def file(self) -> Path | None:
        return sqlite_file(self.url) if self.url.startswith("sqlite") else None

    @property
    def connection(self) -> BaseDatabaseWrapper:
        return connections[ALIAS]

    def migrate(self, *target: str) -> str:
        """What it prints beside the names of the migrations."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            call_command("migrate", *target, database=ALIAS, verbosity=0)
        return printed.getvalue()

    def apps_at(self, migration: str) -> StateApps:
        """The models of generation as they were after that migration."""
        return MigrationExecutor(self.connection).loader.project_state(("generation", migration)).apps

    def execute(self, query: str, *values: Any) -> list[tuple[object, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> set[str]:
        return set(self.connection.introspection.table_names())

    def constraints(self, table: str) -> dict[str, tuple[object, ...]]:
        """Constraints and indexes by name; a name that the engine made is left out."""
        with self.connection.cursor() as cursor:
            found = self.connection.introspection.get_constraints(cursor, table)
        kinds = ("columns", "unique", "check", "index", "orders")
        return {
            name: tuple(str(each.get(kind)) for kind in kinds)
            for name, each in found.items()
            if not name.startswith("__")
        }

    def dump(self) -> Rows:
        """Each table's columns, then its rows, every value as the engine stores it."""
        return {table: self._rows(table) for table in sorted(self.tables() - NOT_COMPARED)}

    def _rows(self, table: str) -> list[tuple[str, ...]]:
        with self.connection.cursor() as cursor:
            described = self.connection.introspection.get_table_description(cursor, table)
        names = sorted(column.name for column in described)
        stored = "typeof({0}) || quote({0})" if self.file else "coalesce({0}::text, 'NULL')"
        columns = ", ".join(stored.format(f'"{name}"') for name in names)
        rows = self.execute(f'SELECT {columns} FROM "{table}"')
        return [tuple(names), *sorted(tuple(map(str, row)) for row in rows)]

    def close(self) -> None:
        self.connection.close()
        del connections[ALIAS]
        del connections.databases[ALIAS]
        ContentType.objects.clear_cache()


@contextlib.contextmanager
def opened(url: str) -> Iterator[OwnDatabase]:
    database = OwnDatabase(url)
    try:
        yield database
    finally:
        database.close()


@contextlib.contextmanager
def new_database(folder: Path, template: str = "") -> Iterator[str]:
    """The URL of an empty one, or of a copy of one that nobody has open."""
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        file = folder / "db.sqlite3"
        if template:
            shutil.copy(sqlite_file(template), file)
        yield sqlite_url(file)
        return
    name = f"migrations_{os.getpid()}_{free_port()}"
    source = urlsplit(template).path.strip("/") or "template1"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"'.encode())
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
