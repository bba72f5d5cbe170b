"""Throw-away servers for the tests: real ones, on free ports, gone afterwards.

`python -m tests.servers --postgres --redis -- COMMAND` runs a command with DATABASE_URL, REDIS_URL set.
"""

from __future__ import annotations

from tests.servers.chromium import NoChromiumError, find_chromium, launch_options
from tests.servers.postgres import Postgres, postgres_server, temporary_postgres
from tests.servers.valkey import temporary_redis

__all__ = [
    "NoChromiumError",
    "Postgres",
    "find_chromium",
    "launch_options",
    "postgres_server",
    "temporary_postgres",
    "temporary_redis",
]
