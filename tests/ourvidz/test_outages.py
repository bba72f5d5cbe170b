"""A database that is away and a full disk ask people to come back, on every page."""

from __future__ import annotations

import errno

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from tests.factories import make_user

AWAY = OperationalError("connection refused: secret host")
GONE = InterfaceError("the connection is closed")
FULL = OperationalError("database or disk is full")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def visitor(db: None) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_user())
    return client


@pytest.mark.parametrize(("error", "seconds"), [(AWAY, 5), (GONE, 5), (FULL, 10), (NO_SPACE, 10)])
@pytest.mark.parametrize("path", ["/", "/library/"])
def test_a_page_says_when_to_come_back(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, path: str, error: Exception, seconds: int
) -> None:
    monkeypatch.setattr(User, "is_authenticated", property(lambda user: _raise(error)))
    answer = visitor.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, str(seconds))
    assert answer["Cache-Control"] == "no-store"
    assert "Back in a moment" in answer.content.decode()
    assert "secret" not in answer.content.decode()


LOCKED = OperationalError("database is locked")


def test_a_form_that_met_a_busy_database_can_be_sent_again(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was typed is lost, and no secret is repeated; a script reads the same in JSON."""
    monkeypatch.setattr(User, "is_authenticated", property(lambda user: _raise(LOCKED)))
    typed = {"prompt": 'a "<lighthouse>"', "seed": "7"}
    answer = visitor.post("/workspace/submit", typed)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assertContains(answer, "a &quot;&lt;lighthouse&gt;&quot;</textarea>", status_code=503)
    assertContains(answer, '<textarea name="seed" hidden>', status_code=503)
    assertNotContains(visitor.post("/sign-in/", {"password": "secret-word"}), "secret-word", status_code=503)
    outcome = visitor.post("/workspace/submit", typed, headers={"Accept": "application/json"})
    assert (outcome.status_code, outcome.json()["code"], outcome.json()["ok"]) == (503, "busy", False)


@pytest.mark.parametrize("error", [RuntimeError(), OperationalError("no such table: generation_job")])
def test_a_defect_of_ours_stays_a_defect(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(User, "is_authenticated", property(lambda user: _raise(error)))
    assert visitor.get("/").status_code == 500


def _raise(error: Exception) -> bool:
    raise error
