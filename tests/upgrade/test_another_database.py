"""`migrate --database` changes that database alone: a move to another one makes its tables so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.upgrade.database import OwnDatabase, new_database, opened


@pytest.fixture
def empty(django_db_blocker: Any, tmp_path: Path) -> Any:
    with django_db_blocker.unblock(), new_database(tmp_path) as url, opened(url) as database:
        yield database


def test_no_migration_asks_the_database_in_use(empty: OwnDatabase) -> None:
    """It would read, count and fill rows of people who are not there."""
    asked = []

    def note(execute: Any, sql: str, *more: Any) -> Any:
        asked.append(sql)
        return execute(sql, *more)

    with connection.execute_wrapper(note):
        empty.migrate()
        empty.migrate("generation", "0005")
    assert asked == []
