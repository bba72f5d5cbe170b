"""Guessing passwords by trying: bounded by name and address, and nobody locks anybody else out."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models import F
from django.test import Client

from accounts import throttle
from accounts.models import SignInAttempts
from tests.factories import make_user
from tests.generation.side import together

PASSWORD = "a good long password"


@pytest.fixture(autouse=True)
def _ada(db: None, settings: LazySettings) -> None:
    make_user("ada")
    settings.SIGN_IN_ATTEMPTS = 3


def attempt(password: str, name: str = "ada", address: str = "192.0.2.1", path: str = "/sign-in/") -> Any:
    return Client().post(path, {"username": name, "password": password}, REMOTE_ADDR=address)


def guess(times: int, **more: str) -> list[int]:
    return [attempt("wrong", **more).status_code for _ in range(times)]


def gets_in(**more: str) -> bool:
    return bool(attempt(PASSWORD, **more).status_code == 302)


def test_after_too_many_attempts_even_the_password_does_not_help(db: None) -> None:
    """pitfall 34"""
    assert guess(4) == [200, 200, 200, 429]
    refused = attempt(PASSWORD)
    assert refused.status_code == 429
    assert "Too many attempts. Wait ten minutes" in refused.content.decode()
    assert "_auth_user_id" not in refused.client.session


def test_the_same_person_from_elsewhere_is_not_locked_out(db: None) -> None:
    guess(4)
    assert gets_in(address="192.0.2.2")


def test_another_name_from_there_may_still_try_until_the_address_has_tried_too_often(db: None) -> None:
    make_user("bob")
    guess(4)
    assert gets_in(name="bob")
    for number in range(10):
        guess(3, name=f"nobody{number}")
    assert not gets_in(name="bob")
    assert gets_in(name="bob", address="192.0.2.2")


def test_a_name_written_otherwise_is_the_same_name(db: None) -> None:
    guess(2)
    assert guess(2, name="ADA") == [200, 429]


def test_an_address_that_may_try_no_more_adds_no_rows_whatever_names_it_makes_up(db: None) -> None:
    for number in range(40):
        throttle.allow_attempt(name=f"nobody{number}", address="192.0.2.1")
    assert SignInAttempts.objects.count() == 31


def test_who_got_in_starts_afresh(db: None) -> None:
    guess(2)
    assert gets_in()
    assert guess(3) == [200, 200, 200]


def test_after_ten_minutes_one_may_try_again_and_no_row_is_left_of_before(db: None) -> None:
    """pitfall 35"""
    guess(4)
    guess(1, address="192.0.2.9")
    SignInAttempts.objects.update(began_at=F("began_at") - timedelta(minutes=10))
    assert guess(1) == [200]
    assert SignInAttempts.objects.count() == 2


def test_the_admins_door_is_the_same(db: None) -> None:
    assert guess(4, path="/admin/login/") == [200] * 4
    assert "Too many attempts" in attempt(PASSWORD, path="/admin/login/").content.decode()
    assert guess(1) == [429]


def test_neither_name_nor_address_is_kept(db: None) -> None:
    attempt("wrong", name="my password in the wrong field")
    assert all(len(row.subject) == 64 for row in SignInAttempts.objects.all())


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_attempts_at_once_only_so_many_count(settings: LazySettings) -> None:
    """pitfall 34"""
    settings.SIGN_IN_ATTEMPTS = 3
    attempts = [partial(throttle.allow_attempt, name="ada", address="192.0.2.1") for _ in range(8)]
    assert Counter(together(attempts)) == {True: 3, False: 5}
