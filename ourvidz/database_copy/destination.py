"""The target: that it is empty or a half-done copy of this very database, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.db import transaction

from ourvidz.database_copy import originals, state
from ourvidz.database_copy.databases import TARGET, description, source, target
from ourvidz.database_copy.tables import Table

# What `migrate` fills by itself.
MADE_BY_MIGRATE = {"django_content_type", "auth_permission", "django_migrations"}
HOW_TO_EMPTY = "Nothing was changed. Name a database without tables, as `createdb` makes it."
OUTDATED = {
    "database": "it is of {old}",
    "migrations": "the database was migrated since",
    "served": "a web process served the database since",
}


def claim(tables: Sequence[Table], *, start_over: bool, say: Callable[[str], object]) -> None:
    """Note in the target what is copied to it. Raises `CommandError` where it holds anything else."""
    if _is_in_source():
        raise CommandError(
            f"{description(source())} is a half-done copy itself: it has the table {state.TABLE}."
        )
    if not state.exists():
        _require_empty(tables)
        _begin()
        return
    known, now = state.read(), originals.identity()
    changed = [name for name in OUTDATED if known.get(name) != now[name]]
    outdated = [OUTDATED[name].format(old=known.get(name)) for name in changed]
    if start_over:
        state.clear()
        state.write(**now)
    elif outdated and state.EMPTIED in known:
        raise CommandError(
            f"The half-done copy in {description(target())} cannot go on: {'; '.join(outdated)}."
            " --start-over empties it and begins again."
        )
    else:
        state.write(**now)
        say("A copy was begun here; it goes on.")


def _begin() -> None:
    state.create()
    if _is_in_source():
        state.drop()
        raise CommandError("--database-url names the database that is in use.")
    state.write(**originals.identity())


def _is_in_source() -> bool:
    return state.TABLE in source().introspection.table_names()


def _require_empty(tables: Sequence[Table]) -> None:
    there = set(target().introspection.table_names())
    ours = tuple(f"{app.label}_" for app in apps.get_app_configs())
    known = {table.name for table in tables} | MADE_BY_MIGRATE
    if foreign := sorted(name for name in there - known if not name.startswith(ours)):
        raise CommandError(f"The target is not empty: it has the table {foreign[0]}. {HOW_TO_EMPTY}")
    for table in tables:
        if table.name in there - MADE_BY_MIGRATE and table.rows(TARGET).exists():
            raise CommandError(f"The target is not empty: {table} has rows. {HOW_TO_EMPTY}")


def make_tables(tables: Sequence[Table]) -> None:
    """Migrate, then remove what migrations filled: content types and permissions have other ids there."""
    call_command("migrate", database=TARGET, verbosity=0, interactive=False, skip_checks=True)
    if state.EMPTIED in state.read():
        return
    names = [table.name for table in tables]
    with transaction.atomic(using=TARGET):
        flush = target().ops.sql_flush(no_style(), names, reset_sequences=True, allow_cascade=True)
        target().ops.execute_sql_flush(flush)
        state.write(**{state.EMPTIED: "yes"})
