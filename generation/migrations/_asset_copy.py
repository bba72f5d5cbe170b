"""Carries asset rows between the tables of migrations 0007 to 0009, forwards and back, by SQL alone.

While rows move, the one table has a name that no server uses. So a server that runs meanwhile, of the old version
or the new one, finds either all of its tables or none, and whatever an old one writes is carried over by 0009.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from generation.migrations._disk_room import advise_backup, require_room

MIGRATING = "generation_asset_migrating"
CHUNK = 10_000  # rows in one transaction: tens of megabytes of SQLite's log, a third of a second of its lock
PROGRESS_S = 2.0
COLUMNS = (
    *("id", "job_id", "owner_id", "project_id", "prompt", "created_at", "status", "seed", "error_code"),
    *("error_message", "metadata", "file", "thumbnail", "content_type", "sha256", "byte_size", "width"),
    *("height", "completed_at", "saved_at", "trashed_at", "revision"),
)
OWN_COLUMNS = {"image": ("image_index",), "video": ("duration", "frames")}
SAME = {"sqlite": "IS", "postgresql": "IS NOT DISTINCT FROM"}


@dataclass(frozen=True)
class Move:
    """The rows of one medium on their way from one table to another, each column as it is stored."""

    connection: BaseDatabaseWrapper
    media: str
    source: str
    target: str

    @property
    def into_one_table(self) -> bool:
        return self.target == MIGRATING

    @property
    def columns(self) -> tuple[str, ...]:
        return (*COLUMNS, *OWN_COLUMNS[self.media])

    def count(self, table: str) -> int:
        return int(self._value(f"SELECT count(*) FROM {table} r WHERE {self._of_medium(table)}"))

    def remove_outdated(self) -> None:
        """What an earlier run copied and a server changed or purged since; only the old tables can change."""
        if self.into_one_table:
            self._execute(
                f"DELETE FROM {self.target} AS t WHERE t.media = '{self.media}'"
                f" AND NOT EXISTS (SELECT 1 FROM {self.source} r WHERE {self._identical()})"
            )

    def copy(self) -> Iterator[int]:
        """Copies what is not there yet in short transactions; yields the rows looked at by each."""
        last: uuid.UUID | str | None = None
        while True:
            following = "AND r.id > %s" if last else ""
            chunk = f"FROM {self.source} r WHERE {self._of_medium(self.source)} {following}"
            values: list[Any] = [last] if last else []
            end = self._value(f"SELECT r.id {chunk} ORDER BY r.id LIMIT 1 OFFSET {CHUNK - 1}", values)
            if end is None:
                self.copy_where(following, values)
                return
            self.copy_where(f"{following} AND r.id <= %s", [*values, end])
            last = end
            yield CHUNK

    def copy_where(self, condition: str = "", values: Sequence[Any] = ()) -> None:
        names = ", ".join(self.columns)
        more = (", media", f", '{self.media}'") if self.into_one_table else ("", "")
        self._execute(
            f"INSERT INTO {self.target} ({names}{more[0]}) SELECT {names}{more[1]} FROM {self.source} r"
            f" WHERE {self._of_medium(self.source)} {condition} ON CONFLICT DO NOTHING",
            values,
        )

    def missing(self) -> int:
        """How many rows of the source are not in the target exactly as they are."""
        return int(
            self._value(
                f"SELECT count(*) FROM {self.source} r WHERE {self._of_medium(self.source)}"
                f" AND NOT EXISTS (SELECT 1 FROM {self.target} t WHERE {self._identical()})"
            )
        )

    def is_complete(self) -> bool:
        """Each row was copied, and nothing is left of rows that were purged since."""
        purged = self.into_one_table and self.count(self.target) > self.count(self.source)
        return not purged and not self.missing()

    def _of_medium(self, table: str) -> str:
        return f"r.media = '{self.media}'" if table == MIGRATING else "r.id IS NOT NULL"

    def _identical(self) -> str:
        same = SAME[self.connection.vendor]
        return "t.id = r.id AND " + " AND ".join(f"t.{name} {same} r.{name}" for name in self.columns[1:])

    def _value(self, query: str, values: Sequence[Any] = ()) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            row = cursor.fetchone()
        return row and row[0]

    def _execute(self, query: str, values: Sequence[Any] = ()) -> None:
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(query, values)


def into_one_table(connection: BaseDatabaseWrapper) -> list[Move]:
    return [Move(connection, media, f"generation_{media}", MIGRATING) for media in OWN_COLUMNS]


def out_of_one_table(connection: BaseDatabaseWrapper) -> list[Move]:
    return [Move(connection, media, MIGRATING, f"generation_{media}") for media in OWN_COLUMNS]


def carry(moves: Sequence[Move]) -> None:
    """Copies all rows, however far an earlier run came. Raises `CommandError` unless each one arrived."""
    total = sum(move.count(move.source) for move in moves)
    done = sum(move.count(move.target) for move in moves)
    if total:
        connection = moves[0].connection
        print(f"\n  {total:,} images and videos move to another table.")
        advise_backup(connection)
        tables = {move.source for move in moves}
        require_room(connection, tables, share=max(0.0, 1 - done / total))
    if done:
        print(f"  {done:,} rows are there already; they are compared first.", flush=True)
    progress = Progress(total)
    for move in moves:
        move.remove_outdated()
        for rows in move.copy():
            progress.advance(rows)
    progress.end()
    require_complete(moves)


def finish(connection: BaseDatabaseWrapper) -> None:
    """Before the old tables go, and in that transaction: carries over what a server wrote there since."""
    moves = into_one_table(connection)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # SQLite's transaction keeps all other writers out by itself
            cursor.execute(f"LOCK TABLE {', '.join(move.source for move in moves)} IN ACCESS EXCLUSIVE MODE")
    late = [move for move in moves if not move.is_complete()]
    for move in late:
        move.remove_outdated()
        move.copy_where()
    require_complete(late)
    if late:
        connection.check_constraints()  # PostgreSQL changes no table whose foreign keys are still to be checked
    prepare_drop(connection)


def prepare_drop(connection: BaseDatabaseWrapper) -> None:
    """Builds of SQLite that overwrite what is deleted would write the dropped table's whole size into the log."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = FAST")


def require_complete(moves: Sequence[Move]) -> None:
    """Compares each column of each row. Raises `CommandError`."""
    for move in moves:
        if missing := move.missing():
            message = (
                f"{missing:,} rows of {move.source} (media: {move.media}) are not in {move.target} as they are:"
                " nothing was removed. Stop every server and worker, and run `manage.py migrate` again."
            )
            raise CommandError(message)


class Progress:
    """Says how far it is, every two seconds."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.began = self.said = time.monotonic()

    def advance(self, rows: int) -> None:
        self.done += rows
        now = time.monotonic()
        if now - self.said >= PROGRESS_S:
            self.said = now
            left = (now - self.began) * (self.total - self.done) / self.done
            self.say(f"{self.done:,} of {self.total:,} rows", f"about {left:,.0f} s left")

    def end(self) -> None:
        if self.total:
            self.done = self.total
            self.say(f"{self.total:,} rows are copied", "comparing each")

    def say(self, what: str, then: str) -> None:
        elapsed = time.monotonic() - self.began
        print(f"  {100 * self.done // self.total:3} %  {what}, {elapsed:,.0f} s, {then}", flush=True)
