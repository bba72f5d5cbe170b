"""Migrations 0033 and 0034: jobs and speeds of before have no model, nor what the release before writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.database import ALIAS, OwnDatabase, new_database, opened
from tests.upgrade.old_rows import OldRows

FIRST, BEFORE, AFTER = "0005_newest_attempts", "0032_project_totals", "0034_speeds_of_models"
NEW = {"model": "", "model_digest": "", "settings": {}}


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


def rows(database: OwnDatabase, migration: str, model: str) -> Any:
    return database.apps_at(migration).get_model("generation", model).objects.using(ALIAS)


def test_old_rows_have_no_model_and_all_else_stays(old: OwnDatabase) -> None:
    before = old.dump()
    jobs = rows(old, BEFORE, "Job").count()
    old.migrate("generation", AFTER)

    assert list(rows(old, AFTER, "Job").values(*NEW)) == [NEW] * jobs
    assert list(rows(old, AFTER, "WorkerSpeed").values_list("model", flat=True)) == [""]
    assert list(rows(old, AFTER, "Worker").values_list("advertised", flat=True)) == [{}]

    old.migrate("generation", BEFORE)
    assert old.dump() == before


def test_the_release_before_still_writes_jobs(old: OwnDatabase) -> None:
    """While one process of it is left, in the middle of an upgrade."""
    old.migrate("generation", AFTER)
    job = rows(old, BEFORE, "Job").filter(status="completed")[0]
    job.pk = None
    job._state.adding = True
    job.save(using=ALIAS, force_insert=True)
    assert rows(old, AFTER, "Job").filter(pk=job.pk).values(*NEW).get() == NEW


def test_a_speed_with_a_model_goes_with_the_way_back(old: OwnDatabase) -> None:
    old.migrate("generation", AFTER)
    speeds = rows(old, AFTER, "WorkerSpeed")
    [speed] = speeds.all()
    speeds.create(worker_id=speed.worker_id, job_type=speed.job_type, model="film-xl", seconds=1)
    old.migrate("generation", BEFORE)
    assert rows(old, BEFORE, "WorkerSpeed").get().seconds == speed.seconds
