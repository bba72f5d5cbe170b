"""Databases as `migrate` leaves them, to be copied: from nothing it takes as long as a hundred tests.

`script/test` makes one of each engine for all its lanes. A process alone has none, and migrates its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

REPO = Path(__file__).resolve().parent.parent
FILE, TEMPLATE = "MIGRATED_FILE", "MIGRATED_TEMPLATE"  # of SQLite; on the PostgreSQL of the run


def make_migrated(folder: Path, server: str) -> dict[str, str]:
    """What the environment says of them; without the URL of a server, one of SQLite alone."""
    sqlite = _migrating(DATA_DIR=str(folder), DATABASE_URL="")
    made = {FILE: str(folder / "db.sqlite3")}
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE migrated")
        url = urlsplit(server)._replace(path="/migrated").geturl()
        _require_success(_migrating(DATA_DIR=str(folder / "beside"), DATABASE_URL=url))
        made[TEMPLATE] = "migrated"
    _require_success(sqlite)
    return made


def migrated_template() -> str | None:
    return os.environ.get(TEMPLATE)


def copy_migrated(file: Path) -> None:
    """Where there is one."""
    if made := os.environ.get(FILE):
        shutil.copyfile(made, file)


def _migrating(**environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    return subprocess.Popen(command, cwd=REPO, env={**os.environ, **environment})


def _require_success(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, process.args)
