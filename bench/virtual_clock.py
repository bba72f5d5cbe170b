"""A clock that a benchmark sets: in its database, STATEMENT_TIMESTAMP() answers with the moment of a row.

The product's own SQL asks for that function without a schema, and `bench` comes first on the search path.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from bench.databases import use

INSTALL = """
    CREATE SCHEMA bench;
    CREATE TABLE bench.clock (at timestamptz NOT NULL);
    INSERT INTO bench.clock VALUES (pg_catalog.statement_timestamp());
    CREATE FUNCTION bench.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT at FROM bench.clock';
"""


class VirtualClock:
    """Seconds since the start of the benchmark, in the database that Django is on."""

    def __init__(self, database: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(INSTALL)
            cursor.execute(f'ALTER DATABASE "{database}" SET search_path = bench, public, pg_catalog')
            cursor.execute("SELECT at FROM bench.clock")
            self.start: datetime = cursor.fetchone()[0]
        use(database)  # a new connection, with that path
        self.now = 0.0

    def set(self, now: float) -> None:
        self.now = now
        with connection.cursor() as cursor:
            cursor.execute("UPDATE bench.clock SET at = %s", [self.start + timedelta(seconds=now)])
