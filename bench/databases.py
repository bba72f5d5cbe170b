"""Databases of the throw-away server, all of one schema, and moving Django from one to the next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql

ADMIN = "postgres"
BASE = "bench_base"


def use(database: str) -> None:
    """Let Django's connection lead to `database` from now on."""
    disconnect()
    connection.settings_dict["NAME"] = database


def disconnect() -> None:
    """Close Django's connection of this thread and the pool behind all of them."""
    connection.close()
    own = connections[DEFAULT_DB_ALIAS]
    assert isinstance(own, DatabaseWrapper)
    own.close_pool()


def create(database: str, *, template: str = "template0") -> None:
    """An own copy of `template`, which nobody may be using."""
    use(ADMIN)
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with connect(ADMIN) as own:
        own.execute(copy.format(sql.Identifier(database), sql.Identifier(template)))


def migrate_base() -> None:
    """The schema as the migrations make it, from which every other database is copied."""
    create(BASE)
    use(BASE)
    call_command("migrate", verbosity=0)


def connect(database: str) -> psycopg.Connection:
    """A connection by hand; every statement is prepared at its first use."""
    given = connection.settings_dict
    return psycopg.connect(
        host=given["HOST"],
        port=given["PORT"],
        user=given["USER"],
        dbname=database,
        autocommit=True,
        prepare_threshold=0,
    )


class QueryCount:
    """How many statements Django sent; BEGIN and COMMIT are not counted."""

    def __init__(self) -> None:
        self.queries = 0

    def __call__(self, execute: object, sql: str, params: object, many: bool, context: object) -> object:
        self.queries += 1
        assert callable(execute)
        return execute(sql, params, many, context)


@contextlib.contextmanager
def counted() -> Iterator[QueryCount]:
    count = QueryCount()
    with connection.execute_wrapper(count):
        yield count


def version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version')")
        return str(cursor.fetchone()[0])
