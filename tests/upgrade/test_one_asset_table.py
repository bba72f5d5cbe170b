"""Migrations 0006 to 0009: all that the release before has stored is there afterwards, and back again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from generation.migrations import _asset_copy
from generation.migrations._asset_copy import MIGRATING
from generation.migrations._disk_room import backup_command, free_bytes, require_room
from generation.models import Image, Video
from tests.databases import sqlite_url
from tests.functional.disk import small_disk, why_not
from tests.upgrade.database import ALIAS, OwnDatabase, Rows, new_database, opened
from tests.upgrade.old_rows import OldRows

REPO = Path(__file__).resolve().parents[2]
OLD, COPIED, ONE_TABLE = "0005", "0008", "0009_drop_image_and_video"
OLD_TABLES = ("generation_image", "generation_video")
# What 0006 calls otherwise.
NEW_TABLES = {
    "generation_purged": "generation_tombstone",
    "generation_pace": "generation_workerspeed",
    "generation_allowance": "generation_userquota",
}
NEW_COLUMNS = {"horizon": "oldest_revision"}


@pytest.fixture(scope="module")
def _unblocked(django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def empty(_unblocked: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database of the release before, without a row."""
    with new_database(tmp_path_factory.mktemp("empty")) as url:
        with opened(url) as database:
            database.migrate("generation", OLD)
            database.migrate("admin")
        yield url


@pytest.fixture(scope="module")
def filled(empty: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one that was used."""
    with new_database(tmp_path_factory.mktemp("filled"), empty) as url:
        with opened(url) as database:
            OldRows(database.apps_at("0005_newest_attempts")).fill()
        yield url


@pytest.fixture(scope="module")
def copied(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one whose rows are copied, and whose old tables are there."""
    with new_database(tmp_path_factory.mktemp("copied"), filled) as url:
        with opened(url) as database:
            database.migrate("generation", COPIED)
        yield url


@pytest.fixture
def old(filled: str, tmp_path: Path) -> Iterator[OwnDatabase]:
    with new_database(tmp_path, filled) as url, opened(url) as database:
        yield database


@pytest.fixture
def half_way(copied: str, tmp_path: Path) -> Iterator[OwnDatabase]:
    with new_database(tmp_path, copied) as url, opened(url) as database:
        yield database


def columns(rows: list[tuple[str, ...]], names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The rows, with these columns only."""
    places = [rows[0].index(name) for name in names]
    return sorted(tuple(row[place] for place in places) for row in rows[1:])


def of_medium(rows: Rows, table: str) -> list[tuple[str, ...]]:
    """What the one table has of this old table."""
    names, *assets = rows["generation_asset"]
    media = table.removeprefix("generation_")
    return [names, *(row for row in assets if media in row[names.index("media")])]


def assert_assets_are_there(before: Rows, after: Rows) -> None:
    for table in OLD_TABLES:
        names, *rows = before[table]
        assert columns(of_medium(after, table), names) == rows
    assert len(after["generation_asset"]) - 1 == sum(len(before[table]) - 1 for table in OLD_TABLES)


def assert_all_is_there(before: Rows, after: Rows) -> None:
    for table in before.keys() - set(OLD_TABLES):
        names, *rows = before[table]
        renamed = tuple(NEW_COLUMNS.get(name, name) for name in names)
        assert columns(after[NEW_TABLES.get(table, table)], renamed) == rows, table
    assert_assets_are_there(before, after)


def in_order(database: OwnDatabase, source: str) -> list[list[tuple[object, ...]]]:
    """The Library and the trash, as the cursors of their pages walk through them."""
    library = "saved_at IS NOT NULL AND trashed_at IS NULL ORDER BY saved_at DESC, id DESC"
    trash = "trashed_at IS NOT NULL ORDER BY trashed_at DESC, id DESC"
    return [database.execute(f"SELECT * FROM {source} a WHERE {pages}") for pages in (library, trash)]


def test_every_row_is_carried_over_and_back(old: OwnDatabase) -> None:
    """And each cursor of a page keeps its place, and each rule and index its table."""
    before = old.dump()
    assert all(len(before[table]) > 8 for table in OLD_TABLES)
    assert all(len(rows) > 1 for table, rows in before.items() if table.startswith("generation_"))
    rules = [old.constraints(table) for table in OLD_TABLES]
    keys = "SELECT id, saved_at, trashed_at FROM"
    pages = in_order(old, f"({' UNION ALL '.join(f'{keys} {table}' for table in OLD_TABLES)})")
    assert [len(page) for page in pages] == [11, 4]

    printed = old.migrate("generation", ONE_TABLE)
    assert "100 %" in printed
    assert backup_command(old.connection) in printed
    assert not {*OLD_TABLES, MIGRATING} & old.tables()
    assert_all_is_there(before, old.dump())
    assert in_order(old, f"({keys} generation_asset)") == pages
    assert_the_one_table_has_its_rules(old)

    old.migrate("generation", OLD)
    assert old.dump() == before
    assert [old.constraints(table) for table in OLD_TABLES] == rules


def assert_the_one_table_has_its_rules(database: OwnDatabase) -> None:
    there = database.constraints("generation_asset")
    options = database.apps_at(ONE_TABLE).get_model("generation", "Asset")._meta
    assert {each.name for each in (*options.constraints, *options.indexes)} <= there.keys()
    assert not [name for name in there if MIGRATING in name]
    some_video = (
        "WHERE id = (SELECT id FROM generation_asset WHERE status = 'queued' AND media = 'video' LIMIT 1)"
    )
    for change in ("image_index = 0", "media = 'image', frames = 1", "media = 'sound'", "seed = -1"):
        with pytest.raises(IntegrityError), transaction.atomic(using=ALIAS):
            database.execute(f"UPDATE generation_asset SET {change} {some_video}")


def kill_half_way(database: OwnDatabase, *target: str) -> None:
    """Another process migrates, and is gone in the middle of its third copying statement, as by `kill -9`."""
    copies = []

    def kill(execute: Callable[..., object], sql: str, *more: object) -> object:
        result = execute(sql, *more)
        copies.extend([sql] if "ON CONFLICT" in sql else [])
        if len(copies) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    database.connection.close()
    child = os.fork()
    if not child:
        try:
            with database.connection.execute_wrapper(kill):
                database.migrate(*target)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_a_killed_migration_ends_the_same(old: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asset_copy, "CHUNK", 5)
    before = old.dump()
    kill_half_way(old, "generation", ONE_TABLE)
    assert len(old.dump()[MIGRATING]) - 1 == 10
    assert "generation_asset" not in old.tables(), "a server would take it for all there is"
    assert "10 rows are there already" in old.migrate("generation", ONE_TABLE)
    assert_all_is_there(before, old.dump())

    kill_half_way(old, "generation", OLD)
    assert len(old.dump()["generation_image"]) - 1 == 10
    old.migrate("generation", OLD)
    assert old.dump() == before


def test_what_the_old_version_writes_meanwhile_is_carried_over(half_way: OwnDatabase) -> None:
    """It may serve until its tables go: what it changes, purges and submits after the copy counts."""
    saved = "SELECT id FROM generation_image WHERE saved_at IS NOT NULL ORDER BY id LIMIT 2"
    [changed], [purged] = half_way.execute(saved)
    half_way.execute(
        "UPDATE generation_image SET trashed_at = saved_at, revision = 1000 WHERE id = %s", changed
    )
    half_way.execute("DELETE FROM generation_image WHERE id = %s", purged)
    OldRows(half_way.apps_at("0008_copy_assets"), revision=2000).submit()
    before = half_way.dump()
    half_way.migrate("generation", ONE_TABLE)
    after = half_way.dump()
    assert_assets_are_there(before, after)
    assert len(after["generation_asset"]) - len(before[MIGRATING]) == 3 - 1


def test_no_table_is_dropped_whose_rows_would_be_lost(half_way: OwnDatabase) -> None:
    call_command("migrate", "generation", "0007", database=ALIAS, verbosity=0, fake=True)
    half_way.execute("DELETE FROM generation_image WHERE status = 'queued'")
    with pytest.raises(CommandError, match=f"rows of {MIGRATING} .* nothing was removed"):
        half_way.migrate("generation", "0006")
    assert MIGRATING in half_way.tables()


def test_the_admin_keeps_its_history_and_permissions(half_way: OwnDatabase) -> None:
    """An entry of the history leads to its image or video; who may change those still may."""
    apps = half_way.apps_at("0008_copy_assets")
    user_id = apps.get_model("auth", "User").objects.using(ALIAS).get().pk
    entries = {}
    for model in (Image, Video):
        name = model._meta.model_name
        asset = apps.get_model("generation", name).objects.using(ALIAS).first()
        permission = Permission.objects.using(ALIAS).get(codename=f"change_{name}")
        half_way.execute(
            "INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (%s, %s)",
            *(user_id, permission.pk),
        )
        entries[model] = LogEntry.objects.using(ALIAS).create(
            user_id=user_id,
            content_type_id=permission.content_type_id,
            object_id=str(asset.pk),
            action_flag=CHANGE,
        )
    half_way.migrate()
    for model, before in entries.items():
        entry = LogEntry.objects.using(ALIAS).get(pk=before.pk)
        found = entry.content_type.get_object_for_this_type(using=ALIAS, pk=entry.object_id)
        assert (type(found), str(found.pk)) == (model, before.object_id)
    granted = Permission.objects.using(ALIAS).filter(user=user_id, content_type__app_label="generation")
    assert set(granted.values_list("codename", "content_type__model")) == {
        ("change_image", "image"),
        ("change_video", "video"),
    }


def test_an_empty_database_is_migrated_without_a_word(empty: str, tmp_path: Path) -> None:
    with new_database(tmp_path, empty) as url, opened(url) as database:
        assert database.migrate("generation", ONE_TABLE) == ""
        assert database.migrate("generation", "0007") == ""


def test_a_copy_that_cannot_fit_is_refused(old: OwnDatabase, settings: LazySettings) -> None:
    require_room(old.connection, OLD_TABLES)
    with pytest.raises(CommandError, match=r"GB are needed .* Nothing was changed"):
        require_room(old.connection, OLD_TABLES, share=1e9)
    settings.SKIP_DISK_CHECK = True
    require_room(old.connection, OLD_TABLES, share=1e9)


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the disk of a PostgreSQL is not a test's to fill")
def test_a_disk_that_is_too_small_is_noticed_first(old: OwnDatabase, tmp_path: Path) -> None:
    if reason := why_not(tmp_path):
        pytest.skip(f"no small disk can be mounted here: {reason}")
    old.execute("UPDATE generation_image SET prompt = %s WHERE status <> 'completed'", "x" * 300_000)
    old.connection.close()
    disk, kept = tmp_path / "disk", tmp_path / "kept.sqlite3"
    disk.mkdir()
    migrate = f"{sys.executable} manage.py migrate generation --skip-checks || status=$?"
    steps = f"cp {old.file} {disk}/db.sqlite3; {migrate}; cp {disk}/db.sqlite3 {kept}; exit $status"
    done = subprocess.run(
        [*small_disk(disk, "7m"), "sh", "-ec", steps],
        cwd=REPO,
        env={**os.environ, "DATABASE_URL": sqlite_url(disk / "db.sqlite3")},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "CommandError: the disk is too small" in done.stderr
    with closing(sqlite3.connect(kept)) as database:
        assert database.execute(f"SELECT count(*) FROM {MIGRATING}").fetchone() == (0,)


class HidingServer:
    """A PostgreSQL on this machine whose folder this process may not look at."""

    vendor = "postgresql"
    settings_dict: ClassVar = {"HOST": ""}

    def cursor(self) -> AbstractContextManager[HidingServer]:
        return nullcontext(self)

    def execute(self, query: str) -> None:
        assert query == "SHOW data_directory"

    def fetchone(self) -> tuple[str]:
        return ("/" + 256 * "x",)  # the system refuses this to root too


def test_a_disk_that_may_not_be_looked_at_is_out_of_sight() -> None:
    """As /var/lib/pgsql, which is its owner's alone on some systems: no reason to fail."""
    assert free_bytes(cast("BaseDatabaseWrapper", HidingServer())) == (None, 0)
