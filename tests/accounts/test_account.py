from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.first_account import ensure_owner
from generation.access import tokens
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


TOKEN = re.compile(r"ovu_[\w-]{20,}")


def form_of(client: Client, **more: object) -> dict[str, object]:
    """What the page's own form for a token would send."""
    page = client.get("/account/").content.decode()
    token_id = re.search(r'name="token_id" value="([\w-]{36})"', page)[1]
    return {"token_id": token_id, "name": "backup script", "scopes": ["read"], "days": 30, **more}


def stale(client: Client) -> Client:
    """The same browser, ten minutes after its sign-in."""
    session = client.session
    session["confirmed_at"] -= 600
    session.save()
    return client


def test_a_token_is_shown_once_and_works(db: None) -> None:
    user = make_user()
    client = browser_of(user)
    made = client.post("/account/tokens", form_of(client))
    raw = TOKEN.search(made.content.decode())
    assert made.status_code == 200
    assert find_personal_token(raw[0]).owner == user
    assert "no-store" in made["Cache-Control"]
    later = client.get("/account/").content.decode()
    assert raw[0] not in later
    assert "backup script" in later


def test_a_fresh_token_is_in_the_answer_alone_and_in_no_cookie(db: None) -> None:
    """A cookie lies readable on the disk, and goes out again with each request."""
    client = browser_of(make_user())
    made = client.post("/account/tokens", form_of(client))
    raw = TOKEN.search(made.content.decode())[0]
    assert not made.has_header("Location")
    assert "new_token" not in made.cookies
    assert raw not in made.cookies.output()
    assert raw not in client.cookies.output()


def test_a_reload_makes_no_second_token_and_shows_none(db: None) -> None:
    client = browser_of(make_user())
    form = form_of(client)
    client.post("/account/tokens", form)
    again = client.post("/account/tokens", form)
    assert again.status_code == 409
    assert "was made before" in again.content.decode()
    assert not TOKEN.search(again.content.decode())
    assert PersonalToken.objects.count() == 1
    client.post("/account/tokens", form_of(client))
    assert PersonalToken.objects.count() == 2, "the page's next form is another"


def test_a_fresh_token_is_not_shown_to_the_next_person_at_this_browser(db: None) -> None:
    """pitfall 24"""
    client = browser_of(make_user())
    client.post("/account/tokens", form_of(client))
    client.force_login(make_user())
    shown = client.get("/account/").content.decode()
    assert "shown this once" not in shown


def test_a_user_has_so_many_tokens_and_no_more(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page lists them all; those that ended are kept in the same number."""
    monkeypatch.setattr(tokens, "MAX_PERSONAL_TOKENS", 3)
    user = make_user()
    client = browser_of(user)
    answers = [client.post("/account/tokens", form_of(client)).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 409]
    refused = client.post("/account/tokens", form_of(client, name="the fourth")).content.decode()
    assert "You may have 3 tokens." in refused
    assert 'value="the fourth"' in refused
    with pytest.raises(CommandError, match="You may have 3 tokens"):
        call_command("create_token", user.username)
    for _ in range(5):
        client.post(f"/account/tokens/{PersonalToken.objects.filter(revoked_at=None)[0].pk}/revoke")
        assert client.post("/account/tokens", form_of(client)).status_code == 200
    assert PersonalToken.objects.count() <= 3 + 3 + 1


def test_a_token_has_the_scopes_and_the_days_that_were_chosen(db: None) -> None:
    client = browser_of(make_user())
    client.post("/account/tokens", form_of(client, scopes=["manage", "read"], days=90))
    token = PersonalToken.objects.get()
    assert token.scopes == ["read", "manage"]
    assert timedelta(days=89) < token.expires_at - timezone.now() <= timedelta(days=90)


@pytest.mark.parametrize(
    "more", [{"scopes": []}, {"scopes": ["everything"]}, {"days": 3650}, {"days": ""}, {"token_id": "x"}]
)
def test_a_token_of_other_scopes_or_days_is_refused(db: None, more: dict[str, object]) -> None:
    client = browser_of(make_user())
    assert client.post("/account/tokens", form_of(client, **more)).status_code == 422
    assert not PersonalToken.objects.exists()


def test_no_token_is_offered_for_longer_than_the_site_allows(db: None, settings: LazySettings) -> None:
    settings.TOKEN_DAYS = 60
    client = browser_of(make_user())
    offered = re.findall(r'<option value="(\d+)"', client.get("/account/").content.decode())
    assert offered == ["30", "60"]
    assert client.post("/account/tokens", form_of(client, days=90)).status_code == 422


def test_the_page_says_when_and_from_where_a_token_was_used(db: None) -> None:
    user = make_user()
    raw = issue_personal_token(owner_id=user.pk, name="script")
    client = browser_of(user)
    assert "Not used yet" in client.get("/account/").content.decode()
    find_personal_token(raw, used_from="192.0.2.7")
    assert "from 192.0.2.7" in client.get("/account/").content.decode()


def test_a_stolen_session_makes_no_token(db: None) -> None:
    """pitfall 52: a token would outlive the session."""
    client = browser_of(make_user())
    form = form_of(stale(client))
    assert client.post("/account/tokens", form).status_code == 422
    assert client.post("/account/tokens", form | {"password": "wrong"}).status_code == 422
    assert not PersonalToken.objects.exists()
    assert client.post("/account/tokens", form | {"password": PASSWORD}).status_code == 200
    assert PersonalToken.objects.exists()


def test_a_password_that_is_encoded_the_old_way_is_taken_without_ending_the_session(
    db: None, settings: LazySettings
) -> None:
    """Django's `User.check_password` would encode it anew, and sessions end with the old one."""
    client = stale(browser_of(make_user()))
    newer = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
    settings.PASSWORD_HASHERS = [newer, *settings.PASSWORD_HASHERS]
    assert client.post("/account/tokens", form_of(client, password=PASSWORD)).status_code == 200
    assert client.get("/account/").status_code == 200


def test_who_has_just_given_the_password_is_not_asked_again(db: None) -> None:
    client = browser_of(make_user())
    assert 'name="password"' not in client.get("/account/").content.decode()
    assert 'name="password"' in stale(client).get("/account/").content.decode()
    client.post("/account/tokens", form_of(client, password=PASSWORD))
    assert client.post("/account/tokens", form_of(client)).status_code == 200


def test_without_a_password_a_new_token_takes_a_new_link(db: None) -> None:
    client = browser_of(ensure_owner())
    client.post("/account/tokens", form_of(client))
    assert PersonalToken.objects.count() == 1
    form = {"name": "second", "scopes": ["read"], "days": 30}
    page = stale(client).get("/account/").content.decode()
    assert "manage.py sign_in_link <bdi>owner</bdi>" in page
    assert 'name="scopes"' not in page
    assert client.post("/account/tokens", form).status_code == 422
    assert PersonalToken.objects.count() == 1


def test_without_a_password_a_first_one_takes_a_new_link(db: None) -> None:
    """pitfall 52: whoever has the session could stay for good."""
    owner = ensure_owner()
    client = stale(browser_of(owner))
    fields = {"new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    assert client.post("/account/password", fields).status_code == 422
    owner.refresh_from_db()
    assert not owner.has_usable_password()


def test_nobody_is_asked_again_whose_sign_in_is_fresh(admin_client: Client) -> None:
    assert admin_client.get("/account/confirm?next=/account/")["Location"] == "/account/"
    assert stale(admin_client).get("/account/confirm?next=/account/").status_code == 200


@pytest.mark.parametrize("path", ["/account/password", "/account/tokens", "/account/confirm"])
def test_wrong_own_passwords_are_counted_as_attempts_to_sign_in(
    db: None, settings: LazySettings, path: str
) -> None:
    """pitfall 34: a stolen session could guess without bounds."""
    settings.SIGN_IN_ATTEMPTS = 3
    client = stale(browser_of(make_user("ada")))
    new = {"new_password1": "tide and lantern", "new_password2": "tide and lantern"}
    form = form_of(client) | new

    def attempt(password: str) -> int:
        return client.post(path, form | {"old_password": password, "password": password}).status_code

    assert [attempt("wrong") for _ in range(4)] == [422, 422, 422, 429]
    assert attempt(PASSWORD) == 429
    signing_in = Client().post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert signing_in.status_code == 429, "they are counted together"
    assert User.objects.get().check_password(PASSWORD)
    assert not PersonalToken.objects.exists()


def test_the_admins_own_password_page_is_the_account_page(admin_client: Client) -> None:
    assert admin_client.get("/admin/password_change/")["Location"] == "/account/"
    new = {
        "old_password": "password",
        "new_password1": "tide and lantern",
        "new_password2": "tide and lantern",
    }
    admin_client.post("/admin/password_change/", new)
    assert not User.objects.get().check_password("tide and lantern")


def test_an_operator_confirms_who_it_is_before_changing_users(admin_client: Client, admin_user: User) -> None:
    """pitfall 52: a stolen session of an operator makes no operators and no passwords."""
    user = make_user()
    stale(admin_client)
    new = {"password1": "tide and lantern", "password2": "tide and lantern", "usable_password": "true"}
    for path in (f"/admin/auth/user/{user.pk}/password/", f"/admin/auth/user/{user.pk}/change/"):
        refused = admin_client.post(path, new)
        assert refused["Location"] == f"/account/confirm?next={quote(path, safe='')}"
    assert admin_client.post("/admin/auth/user/add/", new)["Location"].startswith("/account/confirm?")
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)

    path = f"/admin/auth/user/{user.pk}/password/"
    confirmed = admin_client.post(f"/account/confirm?next={path}", {"password": "password"})
    assert confirmed["Location"] == path
    admin_client.post(path, new)
    assert User.objects.get(pk=user.pk).check_password("tide and lantern")


def test_an_operator_confirms_who_it_is_before_deleting_users(admin_client: Client) -> None:
    user = make_user()
    stale(admin_client)
    chosen = {"action": "delete_accounts", "_selected_action": str(user.pk)}
    for path, form in ((f"/admin/auth/user/{user.pk}/delete/", {}), ("/admin/auth/user/", chosen)):
        refused = admin_client.post(path, {**form, "confirmed": "yes"})
        assert refused["Location"] == f"/account/confirm?next={quote(path, safe='')}"
    assert User.objects.get(pk=user.pk).is_active


def test_an_operator_confirms_who_it_is_before_changing_groups(admin_client: Client) -> None:
    """A stolen session would give the rights of operators to a group that its thief is in."""
    group = Group.objects.create(name="lookers")
    all_rights = [permission.pk for permission in Permission.objects.all()]
    path = f"/admin/auth/group/{group.pk}/change/"
    form = {"name": "lookers", "permissions": all_rights}
    assert stale(admin_client).post(path, form)["Location"].startswith("/account/confirm?")
    assert not group.permissions.exists()
    admin_client.post("/account/confirm", {"password": "password"})
    admin_client.post(path, form)
    assert group.permissions.count() == len(all_rights)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_confirming_never_leads_to_another_site(db: None, elsewhere: str) -> None:
    client = browser_of(make_user())
    answer = client.post(f"/account/confirm?next={quote(elsewhere)}", {"password": PASSWORD})
    assert answer["Location"] == "/"


def test_a_change_of_the_password_takes_the_tokens_along_where_asked_to(db: None) -> None:
    """pitfall 52"""
    user = make_user()
    raw = issue_personal_token(owner_id=user.pk, name="script")
    client = browser_of(user)
    box = re.search(r'<input[^>]*name="revoke_tokens"[^>]*>', client.get("/account/").content.decode())[0]
    assert "checked" in box, "asked by default"
    fields = {
        "old_password": PASSWORD,
        "new_password1": "tide and lantern",
        "new_password2": "tide and lantern",
    }
    client.post("/account/password", fields)
    assert find_personal_token(raw)
    fields |= {"old_password": "tide and lantern", "revoke_tokens": "on"}
    client.post("/account/password", fields)
    assert find_personal_token(raw) is None


def test_a_token_needs_a_name(db: None) -> None:
    client = browser_of(make_user())
    answer = client.post("/account/tokens", form_of(client, name="  "))
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
