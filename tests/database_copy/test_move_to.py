"""`manage.py move_to`: every row of a database that an early version made, on the other engine."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections

from generation.core.clock import Now
from generation.core.ids import LAST_ID as LAST_UUID
from generation.models import SearchIndexBuild, Uptime
from ourvidz.database_copy.tables import DERIVED
from tests.database_copy.conftest import LAST_ID
from tests.database_copy.databases import Databases, dump, execute
from tests.upgrade.database import ALIAS, opened

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]  # a server of its own, so one lane is enough
SQLITE_TO_POSTGRES = ("sqlite", "postgres")
BACK = ("postgres", "sqlite")
TO_ANOTHER_SERVER = ("postgres", "postgres")
APPLIED = "SELECT app, name FROM django_migrations ORDER BY app, name"
Old = Mapping[str, str]


def assert_same(source: str, target: str) -> None:
    """Every row, but for the epoch, which is the target's own."""
    before, after = dump(source), dump(target)
    uptimes = [row for row in before + after if row["model"] == "generation.uptime"]
    epochs = {row["fields"].pop("epoch") for row in uptimes}
    assert (len(uptimes), len(epochs)) == (2, 2)
    assert after == before
    assert execute(target, APPLIED) == execute(source, APPLIED)


def test_the_old_database_has_rows_of_every_model(old: Old) -> None:
    """What is not there is not shown to be copied."""
    models = {model._meta.label_lower for model in set(apps.get_models()) - DERIVED if not model._meta.proxy}
    assert models - {row["model"] for row in dump(old["sqlite"])} == set()


@pytest.mark.parametrize(("engine", "to"), [SQLITE_TO_POSTGRES, BACK, TO_ANOTHER_SERVER])
def test_every_row_arrives(databases: Databases, old: Old, engine: str, to: str) -> None:
    """And the next ids follow all that were ever given, and a second move finds the target taken."""
    source, target = old[engine], databases.new(to)
    moved = databases.move(source, target)
    assert moved.returncode == 0, moved.stderr
    assert "rows/s" in moved.stdout
    assert "All rows are there." in moved.stdout
    assert_same(source, target)
    with opened(target) as database:
        assert "ourvidz_move" not in database.tables()
        database.connection.check_constraints()
        assert SearchIndexBuild.objects.using(ALIAS).get().below == LAST_UUID
        assert User.objects.using(ALIAS).create(username="next").pk == LAST_ID + 1
    again = databases.move(source, target)
    assert again.returncode == 1
    assert "CommandError: The target is not empty: " in again.stderr


@pytest.mark.parametrize(("engine", "to"), [SQLITE_TO_POSTGRES, BACK])
def test_a_killed_move_goes_on(databases: Databases, old: Old, migrated: Old, engine: str, to: str) -> None:
    source, target = old[engine], databases.new(to, migrated[to])
    killed = databases.move_and_kill(source, target)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert execute(target, "SELECT count(*) FROM generation_asset") == [(5,)]
    for command in ("prepare", "serve"):
        refused = databases.python(target, "manage.py", command)
        assert (refused.returncode, "half-done copy" in refused.stderr) == (1, True), refused.stderr

    moved = databases.move(source, target)
    assert moved.returncode == 0, moved.stderr
    assert "A copy was begun here; it goes on." in moved.stdout
    assert_same(source, target)


@pytest.mark.parametrize(("engine", "to"), [SQLITE_TO_POSTGRES, BACK])
def test_a_row_that_differs_is_found(
    databases: Databases, old: Old, migrated: Old, engine: str, to: str
) -> None:
    """In one bit of one column, one that is missing, and one too many. Pitfall 10."""
    source, target = old[engine], databases.new(to, migrated[to])
    databases.move_and_kill(source, target)
    [[asset]] = execute(target, "SELECT id FROM generation_asset ORDER BY id LIMIT 1")
    execute(target, "UPDATE generation_asset SET revision = revision + 1 WHERE id = %s", asset)
    execute(target, "DELETE FROM generation_userquota")
    execute(target, "INSERT INTO auth_group (id, name) VALUES (99, 'strangers')")

    moved = databases.move(source, target)
    assert moved.returncode == 1, moved.stdout
    assert "differs in revision" in moved.stdout
    assert "is missing in the target" in moved.stdout
    assert "is in the target alone" in moved.stdout
    tables = "auth_group, generation_userquota, generation_asset"
    assert set(tables.split(", ")) == set(moved.stderr.split("CommandError: ")[1].split(": ")[0].split(", "))

    moved = databases.move(source, target, "--start-over")
    assert moved.returncode == 0, moved.stderr
    assert_same(source, target)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a:secret@localhost/x",
        "postgres://a:secret@127.0.0.1:9/x",
        "sqlite:////nowhere/secret/db.sqlite3",
    ],
)
def test_a_target_that_is_none_is_refused(databases: Databases, old: Old, url: str) -> None:
    """With a sentence, without a traceback, and without its password. Pitfall 44."""
    moved = databases.move(old["sqlite"], url)
    assert moved.returncode == 1
    assert re.match("CommandError: (--database-url must|The target cannot be reached: )", moved.stderr)
    assert "Traceback" not in moved.stderr
    assert "secret" not in moved.stderr


def test_a_target_with_anything_in_it_is_refused(databases: Databases, old: Old, migrated: Old) -> None:
    taken = databases.new("postgres", migrated["postgres"])
    execute(taken, "CREATE TABLE invoices (id int)")
    refused = databases.move(old["sqlite"], taken)
    assert "The target is not empty: it has the table invoices." in refused.stderr
    with opened(taken) as database:
        assert "ourvidz_move" not in database.tables()
        database.execute("DROP TABLE invoices")
        database.execute("INSERT INTO auth_group (name) VALUES ('strangers')")
    refused = databases.move(old["sqlite"], taken)
    assert "The target is not empty: auth_group has rows." in refused.stderr
    assert databases.move(old["sqlite"], taken, "--start-over").returncode == 1
    assert execute(taken, "SELECT name FROM auth_group") == [("strangers",)]


def test_a_migrated_target_without_rows_is_taken(databases: Databases, old: Old, migrated: Old) -> None:
    target = databases.new("postgres", migrated["postgres"])
    moved = databases.move(old["sqlite"], target)
    assert moved.returncode == 0, moved.stderr
    assert_same(old["sqlite"], target)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_database_in_use_is_no_target(databases: Databases, old: Old, migrated: Old, engine: str) -> None:
    assert databases.move(old[engine], old[engine]).returncode == 1
    empty = databases.new(engine, migrated[engine])
    before = dump(empty)
    refused = databases.move(empty, empty)
    assert "names the database that is in use" in refused.stderr
    assert dump(empty) == before


def test_a_database_of_another_version_is_refused(databases: Databases, migrated: Old) -> None:
    source, target = databases.new("sqlite", migrated["sqlite"]), databases.new("sqlite")
    execute(source, "DELETE FROM django_migrations WHERE app = 'generation' AND name >= '0018'")
    refused = databases.move(source, target)
    assert "migrations, the first is generation.0018_epoch: run `manage.py migrate` first" in refused.stderr
    source = databases.new("sqlite", migrated["sqlite"])
    later = "INSERT INTO django_migrations (app, name, applied) VALUES ('generation', '9999_x', '2026-01-01')"
    execute(source, later)
    refused = databases.move(source, target)
    assert "was made by a newer version, with generation.9999_x" in refused.stderr


def test_a_half_done_copy_of_another_state_is_not_continued(
    databases: Databases, old: Old, migrated: Old
) -> None:
    source, target = databases.new("sqlite", old["sqlite"]), databases.new("postgres", migrated["postgres"])
    databases.move_and_kill(source, target)
    refused = databases.move(old["sqlite"], target)
    assert f"cannot go on: it is of SQLite {source.removeprefix('sqlite:///')}" in refused.stderr

    execute(source, "UPDATE generation_uptime SET last_beat_at = '2026-03-01 00:00:00'")
    execute(source, "UPDATE generation_asset SET prompt = 'changed'")
    refused = databases.move(source, target)
    assert "cannot go on: a web process served the database since" in refused.stderr
    moved = databases.move(source, target, "--start-over")
    assert moved.returncode == 0, moved.stderr
    assert_same(source, target)


def test_a_row_that_the_target_cannot_hold_is_named(databases: Databases, old: Old, migrated: Old) -> None:
    """SQLite holds text that PostgreSQL refuses. The move goes on when that row is mended."""
    source, target = databases.new("sqlite", old["sqlite"]), databases.new("postgres", migrated["postgres"])
    [[job]] = execute(source, "SELECT id FROM generation_job ORDER BY id DESC LIMIT 1")
    execute(source, "UPDATE generation_job SET prompt = 'nul: ' || char(0) WHERE id = %s", job)
    refused = databases.move(source, target)
    assert refused.returncode == 1
    assert "The target refuses the row " in refused.stderr
    assert " of generation_job: " in refused.stderr
    assert str(job) in refused.stderr.replace("-", "")
    execute(source, "UPDATE generation_job SET prompt = 'mended' WHERE id = %s", job)
    moved = databases.move(source, target)
    assert moved.returncode == 0, moved.stderr
    assert_same(source, target)


@contextmanager
def beating(url: str) -> Iterator[None]:
    """A web process serves from this database, as far as the others can tell."""
    stopped = threading.Event()
    with opened(url):

        def beat() -> None:
            while not stopped.wait(0.5):
                Uptime.objects.using(ALIAS).update(last_beat_at=Now())
            connections[ALIAS].close()  # this thread's own

        Uptime.objects.using(ALIAS).update(last_beat_at=Now())
        thread = threading.Thread(target=beat)
        thread.start()
        yield
        stopped.set()
        thread.join()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_database_that_is_served_is_not_moved(databases: Databases, old: Old, engine: str) -> None:
    source, target = databases.new(engine, old[engine]), databases.new("sqlite")
    with beating(source):
        refused = databases.move_impatiently(source, target)
    assert "A web process serves this database. Stop them all" in refused.stderr
    with opened(target) as database:
        assert database.tables() == set()


def test_a_database_that_is_written_to_is_not_moved(databases: Databases, old: Old) -> None:
    source, target = databases.new("postgres", old["postgres"]), databases.new("sqlite")
    with closing(psycopg.connect(source)) as writer:
        writer.execute("UPDATE generation_job SET prompt = prompt")
        refused = databases.move_impatiently(source, target)
    assert "Something writes to PostgreSQL " in refused.stderr
    moved = databases.move(source, target)
    assert moved.returncode == 0, moved.stderr
