from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.test import Client

from accounts.first_account import ensure_owner
from generation.access.tokens import find_personal_token
from generation.models import PersonalToken
from tests.acting import issue_personal_token
from tests.factories import make_user

PASSWORD = "a good long password"


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_who_has_no_password_sets_one_without_an_old_one(db: None) -> None:
    owner = ensure_owner()
    client = browser_of(owner)
    assert "old_password" not in client.get("/account/").content.decode()
    fields = {"new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    answer = client.post("/account/password", fields, follow=True)
    assert "Your password is set." in answer.content.decode(), "and this browser stays signed in"
    assert User.objects.get(pk=owner.pk).check_password("tide and lantern")


def test_a_change_asks_for_the_old_password(db: None) -> None:
    user = make_user()
    fields = {"new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    answer = browser_of(user).post("/account/password", fields | {"old_password": "wrong"})
    assert answer.status_code == 422
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)


def test_a_change_signs_out_the_other_browsers(db: None) -> None:
    user = make_user()
    here, there = browser_of(user), browser_of(user)
    fields = {"new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    here.post("/account/password", fields | {"old_password": PASSWORD})
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302


def test_a_weak_password_is_refused_with_its_reason(db: None) -> None:
    fields = {"new_password1": "12345678", "new_password2": "12345678"}
    answer = browser_of(ensure_owner()).post("/account/password", fields)
    assert answer.status_code == 422
    assert "entirely numeric" in answer.content.decode()


def test_a_token_is_shown_once_and_works(db: None) -> None:
    user = make_user()
    client = browser_of(user)
    made = client.post("/account/tokens", {"name": "backup script"}, follow=True)
    raw = re.search(r"ovu_[\w-]{20,}", made.content.decode())
    assert raw
    assert find_personal_token(raw[0]).owner == user
    assert "no-store" in made["Cache-Control"]
    later = client.get("/account/").content.decode()
    assert raw[0] not in later
    assert "backup script" in later


def test_a_reload_makes_no_second_token(db: None) -> None:
    client = browser_of(make_user())
    made = client.post("/account/tokens", {"name": "backup script"})
    assert (made.status_code, made["Location"]) == (302, "/account/")
    client.get("/account/")
    client.get("/account/")
    assert PersonalToken.objects.count() == 1


def test_a_fresh_token_is_carried_by_a_cookie_that_only_its_page_gets(db: None) -> None:
    made = browser_of(make_user()).post("/account/tokens", {"name": "backup script"})
    cookie = made.cookies["new_token"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (
        "/account/",
        True,
        "Strict",
        60,
    )


def test_a_fresh_token_is_not_shown_to_the_next_person_at_this_browser(db: None) -> None:
    """pitfall 24"""
    client = browser_of(make_user())
    client.post("/account/tokens", {"name": "backup script"})
    client.force_login(make_user())
    shown = client.get("/account/").content.decode()
    assert "shown this once" not in shown


def test_a_token_needs_a_name(db: None) -> None:
    answer = browser_of(make_user()).post("/account/tokens", {"name": "  "})
    assert answer.status_code == 422
    assert not PersonalToken.objects.exists()


def test_a_revoked_token_stops_working(db: None) -> None:
    user = make_user()
    raw = issue_personal_token(owner_id=user.pk, name="old")
    token = PersonalToken.objects.get()
    client = browser_of(user)
    assert client.get(f"/account/tokens/{token.pk}/revoke").status_code == 405
    client.post(f"/account/tokens/{token.pk}/revoke")
    assert find_personal_token(raw) is None
    assert client.post(f"/account/tokens/{token.pk}/revoke").status_code == 404


def test_a_strangers_token_cannot_be_seen_or_revoked(db: None) -> None:
    raw = issue_personal_token(owner_id=make_user().pk, name="theirs")
    stranger = browser_of(make_user())
    token = PersonalToken.objects.get()
    assert stranger.post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    assert find_personal_token(raw)
    assert "theirs" not in stranger.get("/account/").content.decode()


def test_the_account_is_only_for_who_is_signed_in(db: None) -> None:
    for path in ("/account/", "/account/password", "/account/tokens"):
        assert Client().get(path)["Location"].startswith("/sign-in/")
