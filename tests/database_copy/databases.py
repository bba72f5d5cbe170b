"""Databases to move from and to, on both engines, and the command as an operator gives it."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.management import call_command

from ourvidz.database_copy.tables import DERIVED
from tests.databases import sqlite_file, sqlite_url
from tests.functional.programs import REPO
from tests.upgrade.database import ALIAS, opened

_number = itertools.count(1)
# Starts the command with its waits for others cut short.
IMPATIENT = """
import sys
import django
django.setup()
from django.core.management import execute_from_command_line
from ourvidz.database_copy import originals

originals.LOCK_WAIT = "1s"
originals.MAX_BEAT_SECONDS = 1.0
execute_from_command_line(["manage.py", "move_to", f"--database-url={sys.argv[1]}"])
"""
# Starts the command, and is killed in its second insert of assets: in their own chunks of five.
KILLED = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from django.db.backends.signals import connection_created
from ourvidz.database_copy import tables

tables.CHUNK = 5
inserts = []

def kill(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    inserts.extend([sql] if many and 'INTO "generation_asset"' in sql else [])
    if len(inserts) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

def watch(connection, **_):
    if connection.alias == "move_target":
        connection.execute_wrappers.append(kill)

connection_created.connect(watch, weak=False)
call_command("move_to", database_url=sys.argv[1])
"""


@dataclass
class Databases:
    """Makes databases in a folder and on a PostgreSQL server."""

    folder: Path
    server: str
    made: list[str] = field(default_factory=list)  # on the server

    def new(self, engine: str, template: str = "") -> str:
        """The URL of one that is empty, or a copy of one that nobody has open."""
        name = f"move_{os.getpid()}_{next(_number)}"
        if engine == "sqlite":
            file = self.folder / f"{name}.sqlite3"
            if template:
                file.write_bytes(sqlite_file(template).read_bytes())
            return sqlite_url(file)
        source = urlsplit(template).path.strip("/") or "template1"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        self.made.append(name)
        return urlsplit(self.server)._replace(path=f"/{name}").geturl()

    def drop(self) -> None:
        for name in self.made:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, query: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(query.encode())

    def move(self, source: str, target: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`manage.py move_to` as the operator of `source` gives it."""
        return self.python(source, "manage.py", "move_to", f"--database-url={target}", *words)

    def move_impatiently(self, source: str, target: str) -> subprocess.CompletedProcess[str]:
        return self.python(source, "-c", IMPATIENT, target)

    def move_and_kill(self, source: str, target: str) -> subprocess.CompletedProcess[str]:
        return self.python(source, "-c", KILLED, target)

    def python(self, source: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(self.folder / "data"),
            "DATABASE_URL": source,
            "DJANGO_SETTINGS_MODULE": "ourvidz.settings",
        }
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=300, check=False
        )


def dump(url: str) -> list[dict[str, Any]]:
    """Every row of every model that is copied, as Django itself writes them, whatever the engine."""
    out = io.StringIO()
    with opened(url):
        call_command("dumpdata", database=ALIAS, stdout=out, exclude=[m._meta.label for m in DERIVED])
    return sorted(json.loads(out.getvalue()), key=lambda row: (row["model"], str(row["pk"])))


def execute(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    with opened(url) as database:
        return database.execute(query, *values)
