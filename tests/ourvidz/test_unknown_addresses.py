"""A proxy that changes Host: staff are told what the server saw, and which setting would accept it."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from ourvidz.declarations import SETTINGS
from ourvidz.environment import read
from ourvidz.unknown_addresses import UNKNOWN_HOST, UNKNOWN_ORIGIN, host_remedy, origin_remedy
from tests.factories import make_user

SITE = "studio.example:8443"
BLAME = "in another tab"


@pytest.fixture(autouse=True)
def _site(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["studio.example"]


@pytest.fixture
def client() -> Client:
    return Client(enforce_csrf_checks=True, headers={"Host": "studio.example"})


def staff() -> User:
    user = make_user()
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


@pytest.mark.django_db
def test_staff_are_told_what_the_server_saw_and_what_would_accept_it(client: Client) -> None:
    """The proxy dropped the port: the page blamed another tab."""
    client.force_login(staff())
    answer = client.post("/sign-out/", headers={"Origin": f"http://{SITE}"})
    assert answer.status_code == 403
    page = answer.content.decode()
    assert f"The page came from http://{SITE}, and called this server http://studio.example." in page
    assert f"CSRF_TRUSTED_ORIGINS=http://{SITE}." in page
    assert "proxy_set_header Host $http_host" in page
    assert BLAME not in page


@pytest.mark.django_db
@pytest.mark.parametrize("origin", ["http://[", "http://[x]", "http://studio.example:x", "http://"])
def test_an_origin_that_is_none_is_refused_like_another(client: Client, origin: str) -> None:
    """It was answered 500."""
    client.force_login(staff())
    answer = client.post("/sign-out/", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "no setting replaces these" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("signed_in", [True, False])
def test_others_are_told_in_a_plain_sentence(client: Client, signed_in: bool) -> None:
    if signed_in:
        client.force_login(make_user())
    answer = client.post("/sign-in/", headers={"Origin": f"http://{SITE}"})
    assert answer.status_code == 403
    page = answer.content.decode()
    assert UNKNOWN_ORIGIN in page
    assert "CSRF_TRUSTED_ORIGINS" not in page
    assert SITE not in page
    assert BLAME not in page


@pytest.mark.django_db
def test_a_script_of_the_page_is_told_too(client: Client) -> None:
    """It took every 403 for a lost session."""
    headers = {"Origin": f"http://{SITE}", "Accept": "application/json"}
    answer = client.post("/sign-in/", headers=headers)
    assert answer.status_code == 403
    assert answer.json() == {"ok": False, "code": "origin_refused", "message": UNKNOWN_ORIGIN, "errors": {}}


@pytest.mark.django_db
def test_the_log_has_it_for_whoever_cannot_sign_in(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.post("/sign-in/", headers={"Origin": f"http://{SITE}"})
    [line] = [r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"] == "origin.refused"]
    assert (line["origin"], line["called"]) == (f"http://{SITE}", "http://studio.example")
    assert f"CSRF_TRUSTED_ORIGINS=http://{SITE}" in line["remedy"]


@pytest.mark.django_db
def test_an_old_page_is_still_what_a_missing_token_means(client: Client) -> None:
    client.force_login(staff())
    answer = client.post("/sign-out/", headers={"Origin": "http://studio.example"})
    assert answer.status_code == 403
    assert BLAME in answer.content.decode()


@pytest.mark.django_db
def test_a_name_that_is_not_the_sites_is_named_to_staff(client: Client) -> None:
    client.force_login(staff())
    answer = client.get("/", headers={"Host": "other.example:8000"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "This server was called other.example:8000." in page
    assert "Set ALLOWED_HOSTS=studio.example,other.example, or let the proxy" in page


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["other.example", "<b>x</b>", "a b", "[::1"])
def test_a_name_that_is_not_the_sites_is_a_plain_sentence_to_others(client: Client, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 400
    assert UNKNOWN_HOST in answer.content.decode()
    assert host not in answer.content.decode()


@pytest.mark.parametrize(
    ("origin", "called", "says"),
    [
        ("https://studio.example", "http://studio.example", "Set HTTPS=true, and let the proxy send"),
        (
            "https://studio.example:8443",
            "https://studio.example",
            "CSRF_TRUSTED_ORIGINS=https://studio.example:8443",
        ),
        ("https://front.example", "http://10.0.0.5:8000", "CSRF_TRUSTED_ORIGINS=https://front.example"),
        ("https://front.example", "http://10.0.0.5:8000", "only if that is an address of this site"),
        ("null", "http://studio.example", "no setting replaces these"),
        ("", "http://studio.example", "no setting replaces these"),
    ],
)
def test_the_remedy_is_one_that_would_work(origin: str, called: str, says: str) -> None:
    remedy = origin_remedy(origin, called)
    assert says in remedy
    if f"CSRF_TRUSTED_ORIGINS={origin}" in remedy:
        assert read(SETTINGS, {"CSRF_TRUSTED_ORIGINS": origin})["CSRF_TRUSTED_ORIGINS"] == [origin]


@pytest.mark.parametrize(
    ("host", "name"), [("a.example:80", "a.example"), ("a.example", "a.example"), ("[::1]:80", "[::1]")]
)
def test_the_name_to_allow_has_no_port(host: str, name: str) -> None:
    [value] = [word for word in host_remedy(host).split() if word.startswith("ALLOWED_HOSTS=")]
    allowed = value.removeprefix("ALLOWED_HOSTS=").removesuffix(",")
    assert read(SETTINGS, {"ALLOWED_HOSTS": allowed})["ALLOWED_HOSTS"] == ["studio.example", name]
