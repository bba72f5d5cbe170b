"""Migrations 0020 and 0021: projects of names that fold to the same are told apart, old prompts are found."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from generation.core.text import fold, search_key
from generation.migrations import _folding
from tests.upgrade.database import ALIAS, OwnDatabase, new_database, opened
from tests.upgrade.old_rows import PROMPT, T0, OldRows

FIRST = "0005_newest_attempts"
BEFORE, NAMES, FILLED = "0019_asset_rating_and_favourite", "0020_folded_text", "0021_search_text_of_old_rows"
LONGEST = "x" * 79 + "é"
ROADS = ("Roads", "roads", "ROADS", "Roads (2)", "Café", "Cafe\u0301", LONGEST, LONGEST.upper(), "Unlike")
NUMBERED = {
    "roads": "roads\xa0(3)",
    "ROADS": "ROADS\xa0(4)",
    "Cafe\u0301": "Cafe\u0301\xa0(2)",
    LONGEST.upper(): f"{LONGEST.upper()}\xa0(2)",
}


@pytest.fixture(scope="module")
def filled(django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database of the release before that was used for long."""
    with django_db_blocker.unblock(), new_database(tmp_path_factory.mktemp("filled")) as url:
        with opened(url) as database:
            database.migrate("generation", FIRST)
            OldRows(database.apps_at(FIRST)).fill()
            database.migrate("generation", BEFORE)
        yield url


@pytest.fixture
def old(filled: str, tmp_path: Path) -> Iterator[OwnDatabase]:
    with new_database(tmp_path, filled) as url, opened(url) as database:
        yield database


def projects(database: OwnDatabase, migration: str) -> Any:
    return database.apps_at(migration).get_model("generation", "Project").objects.using(ALIAS)


def name_projects(database: OwnDatabase) -> None:
    """Two owners have projects of these names, made in this order."""
    users = database.apps_at(BEFORE).get_model("auth", "User").objects.using(ALIAS)
    for owner in (users.get(), users.create(username="other", password="!")):
        for age, name in enumerate(ROADS):
            made = projects(database, BEFORE).create(owner_id=owner.pk, name=name)
            projects(database, BEFORE).filter(pk=made.pk).update(created_at=T0 + timedelta(days=age))


def test_projects_of_one_name_are_numbered_and_get_their_names_back(old: OwnDatabase) -> None:
    name_projects(old)
    before = old.dump()
    printed = old.migrate("generation", NAMES)

    names: dict[int, set[str]] = {}
    for project in projects(old, NAMES).all():
        assert project.folded_name == fold(project.name)
        names.setdefault(project.owner_id, set()).add(project.name)
    expected = {NUMBERED.get(name, name) for name in ROADS}
    assert [each - {"General", "Harbour"} for each in names.values()] == [expected, expected]
    assert "“Cafe\u0301” is “Cafe\u0301\xa0(2)” now" in printed

    old.migrate("generation", BEFORE)
    assert old.dump() == before


def test_a_name_that_was_taken_since_is_not_given_back(old: OwnDatabase) -> None:
    name_projects(old)
    old.migrate("generation", NAMES)
    there = projects(old, NAMES)
    there.filter(name="Café").update(name="Bar", folded_name="bar")
    there.filter(name="Unlike").update(name="Cafe\u0301", folded_name=fold("Café"))
    old.migrate("generation", BEFORE)
    assert there.filter(name="Cafe\u0301\xa0(2)").count() == 2


def search_texts(database: OwnDatabase) -> set[object]:
    return {text for (text,) in database.execute("SELECT search_text FROM generation_asset")}


def test_old_prompts_are_folded_and_the_column_goes_again(
    old: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folding, "CHUNK", 7)
    before = old.dump()
    printed = old.migrate("generation", FILLED)
    assert search_texts(old) == {search_key(PROMPT)}
    assert "100 %" in printed
    old.migrate("generation", BEFORE)
    assert old.dump() == before


def test_a_killed_run_goes_on_where_it_was(old: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_folding, "CHUNK", 5)
    old.migrate("generation", NAMES)
    kill_at_update(old, 3)
    [(filled, total)] = old.execute("SELECT count(search_text), count(*) FROM generation_asset")
    assert filled == 10

    printed = old.migrate("generation", FILLED)
    assert f"The prompts of {int(str(total)) - 10} images" in printed
    assert search_texts(old) == {search_key(PROMPT)}


def kill_at_update(database: OwnDatabase, number: int) -> None:
    """Another process migrates, and is gone in the middle of that UPDATE, as by `kill -9`."""
    updates = []

    def kill(execute: Any, sql: str, *more: object) -> object:
        result = execute(sql, *more)
        updates.extend([sql] if sql.startswith("UPDATE generation_asset") else [])
        if len(updates) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    database.connection.close()
    child = os.fork()
    if not child:
        try:
            with database.connection.execute_wrapper(kill):
                database.migrate("generation", FILLED)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
