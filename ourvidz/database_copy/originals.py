"""The database in use: that it is ready to be copied, and that nothing changes in it meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from django.core.management.base import CommandError
from django.db import transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError

from generation.core.clock import from_now
from generation.models import Uptime
from generation.queue.reap_hold import MAX_BEAT_SECONDS
from ourvidz.database_copy.databases import SOURCE, description, source
from ourvidz.database_copy.tables import Table

LOCK_WAIT = "20s"  # as long as SQLite waits


def require_migrated() -> None:
    """Raises `CommandError` unless the tables are those of this version."""
    executor = MigrationExecutor(source())
    loader = executor.loader
    if plan := executor.migration_plan(loader.graph.leaf_nodes()):
        raise CommandError(
            f"{description(source())} lacks {len(plan)} migrations, the first is {plan[0][0]}:"
            " run `manage.py migrate` first."
        )
    later = {f"{app}.{name}" for app, name in set(loader.applied_migrations) - set(loader.disk_migrations)}
    if unknown := sorted(name for name in later if name.split(".")[0] in loader.migrated_apps):
        raise CommandError(
            f"{description(source())} was made by a newer version, with {unknown[0]}: install that first."
        )


def require_stopped(say: Callable[[str], object]) -> None:
    """Raises `CommandError` while a web process serves: it would go on with the old database afterwards."""
    recent = Uptime.objects.using(SOURCE).filter(last_beat_at__gt=from_now(-3 * MAX_BEAT_SECONDS))
    if not recent.exists():
        return
    say("A web process served this database seconds ago. Waiting to see whether it still does.")
    before = last_beat()
    time.sleep(MAX_BEAT_SECONDS + 1)
    if last_beat() != before:
        raise CommandError("A web process serves this database. Stop them all, and the chores, first.")


def last_beat() -> str:
    """When a web process last said that it serves; empty before the first time."""
    beat = Uptime.objects.using(SOURCE).values_list("last_beat_at", flat=True).first()
    return beat.isoformat() if beat else ""


def identity() -> dict[str, str]:
    """What must be the same when a copy goes on that was begun earlier."""
    applied = MigrationExecutor(source()).loader.applied_migrations
    return {"database": description(source()), "migrations": str(len(applied)), "served": last_beat()}


@contextlib.contextmanager
def locked(tables: list[Table]) -> Iterator[None]:
    """Keep all writers out of the tables, ourselves too. Raises `CommandError` where there is one now."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(transaction.atomic(using=SOURCE))  # on SQLite this alone keeps others out
            stack.enter_context(_locked_on_sqlite() if source().vendor == "sqlite" else _locked(tables))
        except OperationalError as error:
            raise CommandError(
                f"Something writes to {description(source())}, or moves it too: {str(error).strip()}."
                " Stop every web process, the chores and other commands first."
            ) from error
        yield


@contextlib.contextmanager
def _locked_on_sqlite() -> Iterator[None]:
    with source().cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            yield
        finally:
            cursor.execute("PRAGMA query_only = OFF")


@contextlib.contextmanager
def _locked(tables: list[Table]) -> Iterator[None]:
    names = ", ".join(source().ops.quote_name(table.name) for table in tables)
    with source().cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        cursor.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("SET TRANSACTION READ ONLY")
    yield
