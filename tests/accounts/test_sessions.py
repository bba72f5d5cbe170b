"""The list of a user's sessions, their bounds in time, and what ends them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from structlog.testing import capture_logs

from accounts import sessions
from accounts.devices import device_of
from accounts.models import UserSession
from generation.core.actors import SYSTEM
from tests.factories import make_user
from tests.functional.callers import session_of

PASSWORD = "a good long password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Version/17.5 Safari/604.1"
EDGE = f"{CHROME} Edg/126.0"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


def signed_in(user: User, agent: str = FIREFOX, address: str = "192.0.2.7") -> Client:
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    answer = client.post("/sign-in/", {"username": user.get_username(), "password": PASSWORD})
    assert answer.status_code == 302
    return client


def from_before(user: User) -> Client:
    """A browser with a session of the release before."""
    client = Client()
    client.cookies["sessionid"] = session_of(user)
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (EDGE, "Edge on Windows"),
        (IPHONE, "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
        ("<b>x</b>" * 900, "Unknown browser"),
        ("é" * 9, "Unknown browser"),
    ],
)
def test_a_browser_in_two_words(agent: str, device: str) -> None:
    assert device_of(agent) == device


def test_the_page_lists_ones_own_sessions(ada: User) -> None:
    here = signed_in(ada)
    signed_in(ada, IPHONE, "198.51.100.9")
    signed_in(make_user("mallory"), EDGE)
    page = here.get("/account/").content.decode()
    assert re.findall(r"<strong>(\w+ on \w+)</strong>( <span class=\"tag\">this one)?", page) == [
        ("Safari on iPhone", ""),
        ("Firefox on Linux", ' <span class="tag">this one'),
    ]
    assert "198.51.100.9" in page
    assert not any(key in page for key in Session.objects.values_list("pk", flat=True)), "a key signs in"


def test_one_is_ended_and_the_others_stay(ada: User) -> None:
    here, there = signed_in(ada), signed_in(ada, IPHONE)
    row = UserSession.objects.get(device="Safari on iPhone")
    assert here.get(f"/account/sessions/{row.pk}/end").status_code == 405
    here.post(f"/account/sessions/{row.pk}/end")
    assert (is_in(here), is_in(there)) == (True, False)
    assert not UserSession.objects.filter(pk=row.pk).exists()
    assert here.post(f"/account/sessions/{row.pk}/end").status_code == 404


def test_a_stranger_ends_no_session(ada: User) -> None:
    here, stranger = signed_in(ada), signed_in(make_user("mallory"))
    row = UserSession.objects.get(user=ada)
    assert stranger.post(f"/account/sessions/{row.pk}/end").status_code == 404
    assert stranger.post(f"/account/sessions/{uuid.uuid4()}/end").status_code == 404
    stranger.post("/account/sessions/end-others")
    assert is_in(here)


def test_everywhere_else_means_older_ones_too(ada: User) -> None:
    """pitfall 52: also what has no row yet."""
    here, there, older = signed_in(ada), signed_in(ada), from_before(ada)
    other = from_before(make_user())
    page = here.post("/account/sessions/end-others", follow=True).content.decode()
    assert "2 other sign-ins ended" in page
    assert [is_in(client) for client in (here, there, older, other)] == [True, False, False, True]


def test_a_session_from_before_goes_on_and_appears_when_it_is_used(ada: User) -> None:
    older = from_before(ada)
    assert not UserSession.objects.exists()
    assert is_in(older)
    row = UserSession.objects.get()
    assert (row.user, row.signed_in_at) == (ada, None)
    assert "before the last upgrade" in older.get("/account/").content.decode()


def change_by_the_user(user: User) -> None:
    client = signed_in(user)
    new = {"old_password": PASSWORD, "new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    client.post("/account/password", new)
    assert is_in(client), "but the one that changed it"
    client.post("/sign-out/")


def change_by_an_operator(user: User) -> None:
    operator = Client()
    operator.force_login(User.objects.create_superuser("boss", password=PASSWORD))
    new = {"password1": "tide and lantern", "password2": "tide and lantern", "usable_password": "true"}
    operator.post(f"/admin/auth/user/{user.pk}/password/", new)
    assert is_in(operator)
    operator.post("/sign-out/")


def change_by_a_program(user: User) -> None:
    """As `manage.py changepassword` does."""
    user.set_password("tide and lantern")
    user.save()


@pytest.mark.parametrize("change", [change_by_the_user, change_by_an_operator, change_by_a_program])
def test_a_new_password_ends_the_sessions_for_good(ada: User, change: Callable[[User], None]) -> None:
    """pitfall 52: they were refused, but lay there, and the list would show them."""
    clients = [signed_in(ada), from_before(ada)]
    other = signed_in(make_user())
    change(User.objects.get(pk=ada.pk))
    assert User.objects.get(pk=ada.pk).check_password("tide and lantern")
    assert Session.objects.count() == 1, "before anybody comes back"
    assert [is_in(client) for client in clients] == [False, False]
    assert is_in(other)


def test_a_session_that_changed_the_password_is_still_in_the_list(ada: User) -> None:
    client = signed_in(ada)
    new = {"old_password": PASSWORD, "new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    client.post("/account/password", new)
    row = UserSession.objects.get()
    assert row.session_id == client.session.session_key
    assert row.signed_in_at is not None


def test_a_deactivation_ends_the_sessions_for_good(ada: User) -> None:
    """They came back with the account."""
    client = signed_in(ada)
    for is_active in (False, True):
        ada.is_active = is_active
        ada.save()
    assert not is_in(client)
    assert not Session.objects.exists()


def test_an_operator_ends_all_access(ada: User, admin_client: Client) -> None:
    client = signed_in(ada)
    action = {"action": "end_access", "_selected_action": [ada.pk]}
    admin_client.post("/admin/auth/user/", action)
    assert not is_in(client)
    assert is_in(admin_client)


def test_a_user_has_so_many_sessions_and_a_further_sign_in_ends_the_oldest(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signing in with the right password is not counted, and the page lists them all."""
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    browsers = [signed_in(ada) for _ in range(5)]
    assert [is_in(each) for each in browsers] == [False, False, True, True, True]
    assert Session.objects.count() == UserSession.objects.count() == 3


def test_a_sign_out_leaves_no_row(ada: User) -> None:
    client = signed_in(ada)
    client.post("/sign-out/")
    assert not UserSession.objects.exists()


def test_a_use_costs_nothing_within_the_hour(ada: User) -> None:
    client = signed_in(ada)
    client.get("/library/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/library/")
    assert not [query for query in queries if "usersession" in query["sql"] or "UPDATE" in query["sql"]]


def an_hour_later(client: Client, **ago: int) -> None:
    """The browser's session was used last an hour ago, and began some time ago."""
    session = client.session
    session["seen_hour"] -= 1
    session["signed_in_at"] -= int(timedelta(**ago).total_seconds())
    session.save()


def test_a_use_is_recorded_once_an_hour(ada: User) -> None:
    client = signed_in(ada)
    an_hour_later(client)
    UserSession.objects.update(last_seen_at=F("last_seen_at") - timedelta(hours=1))
    before = UserSession.objects.get()
    client.get("/library/", REMOTE_ADDR="203.0.113.5")
    after = UserSession.objects.get()
    assert after.last_seen_at - before.last_seen_at > timedelta(minutes=59)
    assert (after.pk, after.address, after.signed_in_at) == (before.pk, "203.0.113.5", before.signed_in_at)


def days_left(client: Client) -> float:
    row = Session.objects.get(pk=client.session.session_key)
    return (row.expire_date - timezone.now()) / timedelta(days=1)


def test_a_session_ends_two_weeks_after_its_last_use_and_three_months_after_the_sign_in(ada: User) -> None:
    """pitfall 35"""
    client = signed_in(ada)
    assert 13.9 < days_left(client) <= 14
    Session.objects.update(expire_date=F("expire_date") - timedelta(days=10))
    an_hour_later(client, days=10)
    client.get("/library/")
    assert 13.9 < days_left(client) <= 14, "it slides"
    an_hour_later(client, days=75)
    client.get("/library/")
    assert 4.9 < days_left(client) <= 5, "to a bound"
    Session.objects.update(expire_date=timezone.now())
    assert not is_in(client)


def test_rows_go_with_expired_sessions(ada: User) -> None:
    signed_in(ada)
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    call_command("clearsessions")
    assert not UserSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_session_that_was_ended_meanwhile_is_not_brought_back(ada: User, rf: Any) -> None:
    client = signed_in(ada)
    request = rf.get("/")
    request.user, request.session = ada, client.session
    assert request.session.get("seen_hour")
    sessions.end_sessions(user_id=ada.pk, actor=SYSTEM)
    sessions.record_use(request)
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()


def test_the_audit_log_names_who_ended_sessions(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    here = signed_in(ada)
    signed_in(ada)
    with capture_logs() as log, django_capture_on_commit_callbacks(execute=True):
        here.post("/account/sessions/end-others")
    (line,) = [line for line in log if line["event"] == "session.ended"]
    assert (line["actor"], line["owner"], line["sessions"]) == (f"user:{ada.pk}", ada.pk, 1)
