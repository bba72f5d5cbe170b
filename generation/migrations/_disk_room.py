"""Whether a copy of some tables fits on the disk, and what to do before one is made."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseError

LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
# SQLite: record headers, the entries of all indexes, the space that pages leave free, the log of the last step.
BYTES_A_ROW = 400


def advise_backup(connection: BaseDatabaseWrapper) -> None:
    print(
        "  Nothing is removed before every row was compared. If there is no backup yet, press Ctrl-C and make one;"
    )
    print(f"  the next start goes on from there:  {backup_command(connection)}", flush=True)


def backup_command(connection: BaseDatabaseWrapper) -> str:
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"""sqlite3 "{known["NAME"]}" ".backup '{known["NAME"]}.backup'\""""
    where = [
        f"--{option}={known[key]}"
        for option, key in (("host", "HOST"), ("port", "PORT"), ("username", "USER"))
        if known[key]
    ]
    return " ".join(["pg_dump", "--format=custom", "--file=ourvidz.dump", *where, str(known["NAME"])])


def require_room(connection: BaseDatabaseWrapper, tables: Collection[str], *, share: float = 1.0) -> None:
    """Says how much a copy of this share of the tables needs. Raises `CommandError` where that is not there."""
    needed = round(share * sum(size_of_copy(connection, table) for table in tables))
    folder, free = free_bytes(connection)
    if folder is None:
        print(
            f"  It takes about {size(needed)} of the database server's disk, which cannot be seen from here.",
            flush=True,
        )
        return
    print(f"  It takes about {size(needed)}; {folder} has {size(free)} free.", flush=True)
    if needed > free and not settings.SKIP_DISK_CHECK:
        message = (
            f"the disk is too small: {size(needed)} are needed and {folder} has {size(free)} free."
            " Nothing was changed. Make room, or set SKIP_DISK_CHECK=true to try all the same."
        )
        raise CommandError(message)


def size_of_copy(connection: BaseDatabaseWrapper, table: str) -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [table])
            return int(cursor.fetchone()[0])
        columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
        lengths = " + ".join(f"coalesce(length(CAST({name} AS BLOB)), 0)" for name in columns)
        cursor.execute(f"SELECT coalesce(sum({lengths} + {BYTES_A_ROW}), 0) FROM {table}")
        return int(cursor.fetchone()[0])


def free_bytes(connection: BaseDatabaseWrapper) -> tuple[Path | None, int]:
    """The database's folder and what can still be written there; no folder where it is out of sight."""
    folder, reusable = _folder_of_postgres(connection), 0
    if connection.vendor == "sqlite":
        folder = Path(connection.settings_dict["NAME"]).resolve().parent
        with connection.cursor() as cursor:
            cursor.execute("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")
            reusable = int(cursor.fetchone()[0])
    try:
        if folder and folder.is_dir():
            return folder, shutil.disk_usage(folder).free + reusable
    except OSError:  # the folders above it may be closed to us
        pass
    return None, 0


def _folder_of_postgres(connection: BaseDatabaseWrapper) -> Path | None:
    host = connection.settings_dict["HOST"] or ""
    if connection.vendor != "postgresql" or not (host in LOCAL_HOSTS or host.startswith("/")):
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            return Path(cursor.fetchone()[0])
    except DatabaseError:  # only for roles that may read all settings
        return None


def size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e8 else f"{number / 1e6:,.1f} MB"
