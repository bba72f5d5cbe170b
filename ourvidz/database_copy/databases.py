"""The two databases: the one in use, and the target that a URL names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

SOURCE = DEFAULT_DB_ALIAS
TARGET = "move_target"
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "sqlite3": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
    # Inserts are parsed and planned once a connection: the server takes a third of the time.
    "postgresql": {"server_side_binding": True, "prepare_threshold": 5, "connect_timeout": 10},
}


def source() -> BaseDatabaseWrapper:
    return connections[SOURCE]


def target() -> BaseDatabaseWrapper:
    return connections[TARGET]


def open_target(url: str) -> None:
    """Connect to the database of this URL as `TARGET`. No message holds the URL: it may have a password."""
    settings = {SOURCE: {}, TARGET: target_settings(url)}
    connections.databases[TARGET] = connections.configure_settings(settings)[TARGET]
    try:
        target().ensure_connection()
    except Error as error:
        raise CommandError(f"The target cannot be reached: {error}") from error


def target_settings(url: str) -> dict[str, Any]:
    """Django's settings of the database that `url` names. Raises `CommandError` where it names none."""
    try:
        parsed: dict[str, Any] = dict(dj_database_url.parse(url))
        engine = parsed["ENGINE"].rsplit(".", 1)[-1]
        options = OPTIONS[engine]
    except (ValueError, KeyError):
        raise CommandError("--database-url must begin with postgres:// or sqlite:///") from None
    parts = urlsplit(url)
    if parts.fragment or (parts.query and engine == "sqlite3"):
        raise CommandError("In --database-url write # as %23 and ? as %3F: they would end the name.")
    if parsed["NAME"] in ("", ":memory:"):
        raise CommandError("--database-url names no database: its path is missing.")
    return parsed | {"OPTIONS": {**options, **parsed.get("OPTIONS", {})}}


def description(connection: BaseDatabaseWrapper) -> str:
    """Which database it is, for messages: without its password."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"SQLite {known['NAME']}"
    port = f":{known['PORT']}" if known["PORT"] else ""
    return f"PostgreSQL {known['HOST'] or 'localhost'}{port}/{known['NAME']}"
