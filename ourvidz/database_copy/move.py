"""The move: claim the target, make its tables, copy, compare, and only then call it a database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from itertools import chain, islice

from django.core.management.base import CommandError
from django.db import transaction

from generation.core.clock import Now
from generation.core.ids import LAST_ID
from generation.models import SearchIndexBuild, Uptime
from ourvidz.database_copy import destination, originals, sequences, state
from ourvidz.database_copy.checksums import checksum, differences
from ourvidz.database_copy.databases import SOURCE, TARGET, description, open_target, source, target
from ourvidz.database_copy.progress import Progress
from ourvidz.database_copy.tables import Table, all_tables, chunks, refers_to_itself

SHOWN_DIFFERENCES = 5
Say = Callable[[str], object]


def move(url: str, *, start_over: bool, say: Say) -> None:
    """Copy every row of the database in use to that of `url`, or go on with a copy that was stopped.

    Raises `CommandError` with a sentence where it cannot; what was copied until then stays for the next run.
    """
    open_target(url)
    groups = all_tables()
    tables = list(chain.from_iterable(groups))
    originals.require_migrated()
    originals.require_stopped(say)
    destination.claim(tables, start_over=start_over, say=say)
    say(f"From {description(source())}\n  to {description(target())}")
    with originals.locked(tables):
        destination.make_tables(tables)
        copy_rows(groups, say)
        _compare(tables, say)
        _finish(tables)
    with target().cursor() as cursor:
        cursor.execute("ANALYZE")  # else PostgreSQL plans its first queries for empty tables


def copy_rows(groups: Sequence[Sequence[Table]], say: Say) -> None:
    """Insert what is not there yet; a table's position says how far it is."""
    tables = list(chain.from_iterable(groups))
    there = sum(table.count(TARGET) for table in tables)
    progress = Progress(say, "copied", sum(table.count(SOURCE) for table in tables), there)
    for group in groups:
        # Keys are checked when a transaction ends, on both engines; those that lead forward need one for all.
        whole = transaction.atomic(using=TARGET) if refers_to_itself(group) else contextlib.nullcontext()
        with whole:
            for table in group:
                _copy_table(table, progress)
    progress.end()


def _copy_table(table: Table, progress: Progress) -> None:
    for rows in chunks(table.rows_after(SOURCE, state.position(table.name))):
        with transaction.atomic(using=TARGET):
            table.insert(rows, TARGET)
            state.set_position(table.name, rows[-1][0])
        progress.advance(len(rows))


def _compare(tables: Sequence[Table], say: Say) -> None:
    rows = sum(table.count(using) for table in tables for using in (SOURCE, TARGET))
    progress = Progress(say, "compared", rows)
    different = [table for table in tables if not _is_same(table, progress, say)]
    progress.end()
    if different:
        for table in different:
            say(f"{table} differs:")
            for line in islice(differences(table), SHOWN_DIFFERENCES):
                say(f"  {line}")
        raise CommandError(
            f"{', '.join(map(str, different))}: not the same in both databases, so the move is not done."
            f" Go on to use {description(source())}. --start-over empties the target and copies again."
        )


def _is_same(table: Table, progress: Progress, say: Say) -> bool:
    here, there = (checksum(table, using, progress) for using in (SOURCE, TARGET))
    same = f"the same: {here.digest[:16]}" if here == there else f"{here.digest[:16]} and {there.digest[:16]}"
    if here.rows or there.rows:
        say(f"  {table}: {here.rows:,} rows, {there.rows:,} in the target, checksums {same}")
    return here == there


def _finish(tables: Sequence[Table]) -> None:
    """From here on the target counts as a database of its own.

    It begins an epoch: were the source served once more, the same revisions would say other things in each.
    """
    with transaction.atomic(using=TARGET):
        for table in tables:
            sequences.carry_over(table)
        Uptime.objects.using(TARGET).update(epoch=Now())
        SearchIndexBuild.objects.using(TARGET).create(below=LAST_ID)
        state.drop()
