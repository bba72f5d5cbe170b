from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from structlog.testing import capture_logs

from accounts.first_account import ensure_owner
from accounts.models import SignInLink
from accounts.sign_in_links import sign_in_path
from tests.factories import make_job, make_user

PASSWORD = "a good long password"


@pytest.fixture
def staff_client(db: None) -> Client:
    client = Client()
    User.objects.create_superuser("operator", password=PASSWORD)
    client.post("/sign-in/", {"username": "operator", "password": PASSWORD})
    return client


def signed_in_as(client: Client) -> str | None:
    user_id: str | None = client.session.get("_auth_user_id")
    return user_id


def test_a_password_signs_in_and_leads_to_where_one_wanted_to_go(db: None) -> None:
    user = make_user("ada")
    client = Client()
    wanted = client.get("/account/")
    assert wanted["Location"] == "/sign-in/?next=/account/"
    answer = client.post(wanted["Location"], {"username": "ada", "password": PASSWORD, "next": "/account/"})
    assert answer["Location"] == "/account/"
    assert signed_in_as(client) == str(user.pk)


@pytest.mark.parametrize("typed", ["ADA", "Ada", "ａｄａ", "ada"])
def test_a_name_signs_in_whatever_its_case_and_width(db: None, typed: str) -> None:
    user, client = make_user("ada"), Client()
    client.post("/sign-in/", {"username": typed, "password": PASSWORD})
    assert signed_in_as(client) == str(user.pk)


@pytest.mark.parametrize("typed", ["ИВАН", "Иван", "RENÉ", "rene\u0301", "STRAUSS", "Strauß"])
def test_a_name_in_any_script_signs_in_whatever_its_case(db: None, typed: str) -> None:
    """SQLite compares such names by their bytes, PostgreSQL does not: neither is asked."""
    for name in ("Иван", "René", "Strauß"):
        make_user(name)
    client = Client()
    client.post("/sign-in/", {"username": typed, "password": PASSWORD})
    assert signed_in_as(client)


def test_users_from_before_whose_names_are_alike_go_on(db: None) -> None:
    """Each by the exact name; in other letters it would be a guess."""
    users = {name: make_user(name) for name in ("Ada", "ada")}
    for name, user in users.items():
        client = Client()
        client.post("/sign-in/", {"username": name, "password": PASSWORD})
        assert signed_in_as(client) == str(user.pk)
    client = Client()
    client.post("/sign-in/", {"username": "ADA", "password": PASSWORD})
    assert signed_in_as(client) is None


@pytest.mark.parametrize("typed", ["ИВАН", "иван", "Ива", "ivanov@"])
def test_an_operator_finds_users_whatever_the_case(staff_client: Client, typed: str) -> None:
    wanted = make_user("Иван")
    User.objects.filter(pk=wanted.pk).update(email="Ivanov@example.org")
    make_user("Olga")
    page = staff_client.get("/admin/auth/user/", {"q": typed})
    assert list(page.context["cl"].queryset) == [wanted]


def test_no_user_is_made_or_renamed_to_a_name_that_is_like_anothers(staff_client: Client) -> None:
    make_user("Иван")
    alike, other = make_user("ada"), make_user("Ada")
    form = {"username": "иван", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    refused = staff_client.post("/admin/auth/user/add/", form)
    assert "perhaps in other letters" in refused.content.decode()
    assert staff_client.post("/admin/auth/user/add/", form | {"username": "olga"}).status_code == 302

    def rename(user: User, name: str) -> str:
        page = staff_client.get(f"/admin/auth/user/{user.pk}/change/")
        given = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00", "username": name}
        assert page.status_code == 200
        answer = staff_client.post(f"/admin/auth/user/{user.pk}/change/", given)
        return User.objects.get(pk=user.pk).username + answer.content.decode()

    assert "perhaps in other letters" in rename(other, "ИВАН")
    assert rename(alike, "ada") == "ada", "what it was from before, it stays"
    assert rename(alike, "eva") == "eva"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_next_never_leads_to_another_site(db: None, elsewhere: str) -> None:
    make_user("ada")
    answer = Client().post("/sign-in/", {"username": "ada", "password": PASSWORD, "next": elsewhere})
    assert answer["Location"] == "/"


def test_a_wrong_password_is_said_on_the_page_and_the_name_is_kept(db: None) -> None:
    make_user("ada")
    client = Client()
    answer = client.post("/sign-in/", {"username": "ada", "password": "wrong"})
    assert 'value="ada"' in answer.content.decode()
    assert 'role="alert"' in answer.content.decode()
    assert signed_in_as(client) is None


def test_signing_out_takes_a_post(db: None) -> None:
    client = Client()
    client.force_login(make_user())
    assert client.get("/sign-out/").status_code == 405
    assert signed_in_as(client)
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert signed_in_as(client) is None


def test_private_pages_are_never_kept_by_a_cache(db: None) -> None:
    """pitfall 24"""
    client = Client()
    client.force_login(make_user())
    for path in ("/", "/account/"):
        assert "no-store" in client.get(path)["Cache-Control"]
    assert "no-store" in Client().get("/")["Cache-Control"], "nor the redirect of who is signed out"


def test_a_link_shows_a_button_and_the_button_signs_in(db: None) -> None:
    user = make_user("ada")
    path, client = sign_in_path(user), Client()
    looked = client.get(path)
    assert "Sign in as <bdi>ada</bdi>" in looked.content.decode()
    assert signed_in_as(client) is None, "looking spends nothing: previews and prefetching look too"
    assert client.post(path)["Location"] == "/"
    assert signed_in_as(client) == str(user.pk)


def test_a_link_works_once(db: None) -> None:
    path = sign_in_path(make_user())
    Client().post(path)
    again = Client()
    for answer in (again.post(path), again.get(path)):
        assert answer.status_code == 410
        assert "This link was used before" in answer.content.decode()
    assert signed_in_as(again) is None


def test_a_link_tells_whoever_has_no_password(db: None) -> None:
    """They could sign out and find no way back in."""
    for user, told in ((ensure_owner(), True), (make_user("ada"), False)):
        page = Client().post(sign_in_path(user), follow=True).content.decode()
        assert ("You have no password yet" in page) is told
        assert ("set a password" in page) is told


def test_any_other_sign_in_ends_the_link(db: None) -> None:
    path = sign_in_path(make_user("ada"))
    Client().post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert Client().post(path).status_code == 410


def test_a_link_ends_after_an_hour(db: None) -> None:
    """pitfall 35"""
    path = sign_in_path(make_user())
    SignInLink.objects.update(expires_at=F("expires_at") - timedelta(minutes=59))
    assert Client().get(path).status_code == 200
    SignInLink.objects.update(expires_at=F("expires_at") - timedelta(minutes=1, seconds=5))
    assert Client().post(path).status_code == 410


def test_a_new_link_ends_the_older_ones(db: None) -> None:
    """pitfall 52: each start of the server printed another one that worked for days."""
    user = make_user()
    older, newer = sign_in_path(user), sign_in_path(user)
    for answer in (Client().get(older), Client().post(older)):
        assert answer.status_code == 410
    assert Client().post(newer).status_code == 302


def test_a_new_password_ends_the_link(db: None) -> None:
    user = make_user()
    path = sign_in_path(user)
    user.set_password("tide and lantern")
    user.save()
    assert Client().post(path).status_code == 410


def test_only_a_digest_of_a_link_is_kept_and_no_log_line_holds_it(
    db: None, django_capture_on_commit_callbacks: Any
) -> None:
    with capture_logs() as log, django_capture_on_commit_callbacks(execute=True):
        path = sign_in_path(make_user())
        Client().post(path)
    token = path.split("/")[3]
    assert token not in str(SignInLink.objects.values())
    assert {line["event"] for line in log} == {"sign_in_link.issued", "sign_in_link.used"}
    assert token not in repr(log)


def test_a_links_page_tells_its_address_to_nobody(db: None) -> None:
    """Not even in the Referer of our own style sheets, which a proxy may log."""
    path = sign_in_path(make_user())
    assert Client().get(path)["Referrer-Policy"] == "strict-origin"
    assert Client().post(path)["Referrer-Policy"] == "strict-origin"


def test_a_start_prints_a_link_only_while_nobody_has_a_password(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed() -> str:
        call_command("prepare", workers=0)
        return str(json.loads(capsys.readouterr().out.splitlines()[-1])["sign_in_path"])

    first = printed()
    assert Client().get(first).status_code == 200
    second = printed()
    assert Client().get(first).status_code == 410
    owner = ensure_owner()
    owner.set_password(PASSWORD)
    owner.save()
    assert printed() == ""
    assert Client().get(second).status_code == 410


def test_a_command_prints_a_link_for_anybody(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    user = make_user("ada")
    call_command("sign_in_link", "ada")
    client = Client()
    client.post(capsys.readouterr().out.strip())
    assert signed_in_as(client) == str(user.pk)
    with pytest.raises(CommandError):
        call_command("sign_in_link", "nobody")


def test_behind_https_the_command_prints_a_whole_link(
    db: None, settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    make_user("ada")
    settings.SITE_ADDRESS = "https://studio.example"
    call_command("sign_in_link", "ada")
    assert capsys.readouterr().out.startswith("https://studio.example/sign-in/once/")


def test_a_link_of_a_closed_account_is_dead(db: None) -> None:
    user = make_user()
    path = sign_in_path(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert Client().post(path).status_code == 410


@pytest.mark.parametrize("token", ["MQ/abc-123", "x", "!!", "%00", "%FF", "a" * 3000])
def test_a_made_up_link_is_dead(db: None, token: str) -> None:
    assert Client().get(f"/sign-in/once/{token}/").status_code == 410


def test_a_link_replaces_whoever_was_signed_in_before(db: None) -> None:
    """pitfall 24"""
    first, second = make_user(), make_user()
    make_job(first, prompt="a secret")
    browser = Client()
    browser.force_login(first)
    browser.post(sign_in_path(second))
    assert signed_in_as(browser) == str(second.pk)
    assert "a secret" not in browser.get("/").content.decode()


def test_the_first_account_is_made_once_and_left_alone_after(db: None) -> None:
    owner = ensure_owner()
    assert owner.username == "owner"
    assert owner.is_superuser
    assert owner.is_staff
    assert not owner.has_usable_password()
    owner.set_password(PASSWORD)
    owner.save()
    again = ensure_owner()
    assert again.pk == owner.pk
    assert again.has_usable_password()
    assert User.objects.count() == 1
