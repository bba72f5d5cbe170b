"""Migration 0014: tokens of the release before keep all scopes, and their year begins at the upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.upgrade.database import ALIAS, OwnDatabase, new_database, opened

BEFORE, AFTER = "0013_library_totals", "0014_token_scopes_and_expiry"


@pytest.fixture
def old(django_db_blocker: Any, tmp_path: Path) -> Iterator[OwnDatabase]:
    """A database of the release before, with tokens that live and one that was revoked."""
    with django_db_blocker.unblock(), new_database(tmp_path) as url, opened(url) as database:
        database.migrate("generation", BEFORE)
        _fill(database)
        yield database


def _fill(database: OwnDatabase) -> None:
    def create(model: str, app: str = "generation", /, **values: Any) -> Any:
        return database.apps_at(BEFORE).get_model(app, model)._default_manager.using(ALIAS).create(**values)

    owner = create("User", "auth", username="owner", password="!")
    worker = create("Worker", name="gpu-1", engines=["sdxl"])
    create("WorkerToken", worker_id=worker.pk, digest="e" * 64, hint="ovw_1234")
    for number in range(3):
        digest, revoked_at = f"{number:064}", timezone.now() if number else None
        token = {"owner_id": owner.pk, "name": "script", "digest": digest, "hint": "ovu_1234"}
        create("PersonalToken", **token, revoked_at=revoked_at)


def test_tokens_keep_all_scopes_and_have_a_year_and_worker_tokens_go_on(old: OwnDatabase) -> None:
    before, began = old.dump(), timezone.now()
    old.migrate("generation", AFTER)

    apps = old.apps_at(AFTER)
    tokens = apps.get_model("generation", "PersonalToken")._default_manager.using(ALIAS)
    assert [token.scopes for token in tokens.all()] == [["read", "submit", "manage"]] * 3
    lives: list[datetime] = list(tokens.values_list("expires_at", flat=True))
    assert all(began <= at - timedelta(days=365) <= timezone.now() for at in lives)
    assert list(tokens.values_list("last_used_at", "last_used_from")) == [(None, "")] * 3
    machine = apps.get_model("generation", "WorkerToken")._default_manager.using(ALIAS).get()
    assert (machine.expires_at, machine.last_used_at) == (None, None)

    old.migrate("generation", BEFORE)
    assert old.dump() == before
