"""A database that is away and a full disk ask people to come back, on every page."""

from __future__ import annotations

import errno

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import Client

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


@pytest.mark.parametrize("error", [RuntimeError(), OperationalError("no such table: generation_job")])
def test_a_defect_of_ours_stays_a_defect(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(User, "is_authenticated", property(lambda user: _raise(error)))
    assert visitor.get("/").status_code == 500


def _raise(error: Exception) -> bool:
    raise error
