"""Which answers are compressed, for whom, and that their length tells no other site a secret."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from tests.acting import issue_personal_token
from tests.factories import complete, make_job, make_user

pytestmark = pytest.mark.django_db
GZIP = "br, gzip;q=0.8"


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def signed_in(owner: User) -> Client:
    client = Client(HTTP_ACCEPT_ENCODING=GZIP)
    client.force_login(owner)
    return client


def is_compressed(answer: Any) -> bool:
    return answer.get("Content-Encoding") == "gzip"


@pytest.mark.parametrize("path", ["/", "/library/", "/library/trash/", "/api/v1/job-types", "/api/schema/"])
def test_pages_and_api_answers_are_compressed(signed_in: Client, path: str) -> None:
    answer = signed_in.get(path, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 200
    assert is_compressed(answer)
    assert "Accept-Encoding" in answer["Vary"]
    assert answer["Content-Length"] == str(len(answer.content))
    plain = Client(HTTP_ACCEPT_ENCODING="identity")
    plain.cookies = signed_in.cookies
    same = plain.get(path)
    assert not is_compressed(same)
    assert len(gzip.decompress(answer.content)) == len(same.content)
    assert len(answer.content) < len(same.content) / 2


def test_a_script_with_a_token_gets_compressed_answers(owner: User) -> None:
    token = issue_personal_token(owner_id=owner.pk, name="script")
    headers = {"authorization": f"Bearer {token}", "accept-encoding": "gzip"}
    assert is_compressed(Client().get("/api/v1/job-types", headers=headers, secure=True))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/?prompt=a+guess", "/library/?q=a+guess", "/api/v1/assets?q=a+guess"])
def test_what_another_site_made_a_browser_ask_for_is_not(
    signed_in: Client, owner: User, path: str, site: str
) -> None:
    """Its guess would be compressed together with the user's prompts."""
    complete(make_job(owner, quantity=1, prompt="a guess at a prompt"))
    assert not is_compressed(signed_in.get(path, headers={"sec-fetch-site": site}))
    assert is_compressed(signed_in.get(path, headers={"sec-fetch-site": "none"}))


def test_a_browser_that_does_not_say_gets_plain_pages_over_https(signed_in: Client) -> None:
    assert not is_compressed(signed_in.get("/", secure=True))
    assert is_compressed(signed_in.get("/")), "without HTTPS the length is no secret"


def test_pages_with_a_secret_in_them_are_not(signed_in: Client) -> None:
    form = {"name": "script", "scopes": ["read"], "days": settings.TOKEN_DAYS}
    made = signed_in.post("/account/tokens", form)
    assert b"ovu_" in made.content
    assert not is_compressed(made)
    assert not is_compressed(Client(HTTP_ACCEPT_ENCODING=GZIP).get("/sign-in/"))
    User.objects.filter(username="ada").update(is_staff=True, is_superuser=True)
    assert not is_compressed(signed_in.get("/admin/"))


def test_files_keep_their_length_their_etag_and_their_ranges(signed_in: Client, owner: User) -> None:
    asset = complete(make_job(owner, quantity=1))[0]
    for path in (f"/media/image/{asset.pk}/file", f"/api/v1/images/{asset.pk}/file"):
        whole: Any = signed_in.get(path)
        assert whole.getvalue()[:4] == b"\x89PNG"
        assert not is_compressed(whole)
        assert whole["Content-Length"] == str(asset.byte_size)
        assert whole["ETag"] == f'"{asset.sha256}"'
        part: Any = signed_in.get(path, headers={"range": "bytes=0-9"})
        assert len(part.getvalue()) == 10
        assert part.status_code == 206
        assert not is_compressed(part)


def test_the_length_of_the_same_answer_varies(signed_in: Client) -> None:
    lengths = {len(signed_in.get("/api/v1/job-types").content) for _ in range(8)}
    assert len(lengths) > 1, "Django pads each compressed answer by a random length"


def test_head_says_what_get_would(signed_in: Client) -> None:
    head = signed_in.head("/")
    assert is_compressed(head)
    assert head.content == b""
