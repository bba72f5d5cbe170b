"""Private media: who gets a file, and with which headers."""

from __future__ import annotations

import asyncio
import gc
import re
import unicodedata
from typing import Any
from urllib.parse import unquote

import pytest
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import AsyncRequestFactory, Client
from django.urls import reverse
from structlog.testing import capture_logs

from generation.assets import delivery
from generation.assets.download_names import download_name
from generation.models import Asset, Job
from ourvidz.handler import SingleThreadHandler
from tests import acting, factories

pytestmark = pytest.mark.django_db


def make_asset(prompt: str = "a lighthouse over a stormy sea", **submission: Any) -> Asset:
    owner = submission.pop("owner", None) or factories.make_user()
    job = factories.make_job(owner, prompt=prompt, **({"quantity": 1, "seed": 1840} | submission))
    return factories.complete(job)[-1]


def client_of(asset: Asset) -> Client:
    client = Client()
    client.force_login(asset.owner)
    return client


def url_of(asset: Asset, what: str = "file") -> str:
    return reverse(f"media:{what}", args=[asset.media, asset.pk])


@pytest.fixture(autouse=True)
def _connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a response ends its request, and with it the connection that the test's transaction is on.

    SQLite keeps the lock of a transaction that was not rolled back while anything refers to a cursor of it.
    """
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)


def body(response: Any) -> bytes:
    """The whole body; reading it also closes the file, as a server would."""
    content: bytes = response.getvalue()
    response.close()
    return content


def stored(asset: Asset) -> bytes:
    with asset.file.open() as file:
        content: bytes = file.read()
    return content


# Whose


@pytest.mark.parametrize("what", ["file", "thumbnail"])
def test_an_owner_gets_the_file_and_the_thumbnail(what: str) -> None:
    asset = make_asset()

    response = client_of(asset).get(url_of(asset, what))

    assert response.status_code == 200
    with getattr(asset, what).open() as file:
        assert body(response) == file.read()
    assert response["Content-Type"] == ("image/png" if what == "file" else "image/webp")


@pytest.mark.parametrize("what", ["file", "thumbnail"])
def test_a_stranger_and_an_anonymous_visitor_get_404(what: str) -> None:
    asset = make_asset()
    stranger = Client()
    stranger.force_login(factories.make_user())

    assert stranger.get(url_of(asset, what)).status_code == 404
    assert Client().get(url_of(asset, what)).status_code == 404


def test_an_unknown_id_a_wrong_media_and_an_unfinished_asset_are_404() -> None:
    asset = make_asset()
    waiting: Job = factories.make_job(asset.owner)
    client = client_of(asset)

    assert client.get(reverse("media:file", args=["image", waiting.pk])).status_code == 404
    assert client.get(reverse("media:file", args=["video", asset.pk])).status_code == 404
    assert client.get(reverse("media:file", args=["audio", asset.pk])).status_code == 404
    assert client.get(url_of(waiting.slots[0])).status_code == 404


def test_a_trashed_asset_is_still_served_to_its_owner() -> None:
    asset = make_asset()
    acting.discard(owner_id=asset.owner_id, assets=[asset.pk])

    response = client_of(asset).get(url_of(asset))

    assert response.status_code == 200
    response.close()


def test_only_reading_is_allowed() -> None:
    asset = make_asset()

    assert client_of(asset).post(url_of(asset)).status_code == 405


def test_a_file_that_the_storage_lost_is_404_and_one_log_line() -> None:
    """Pitfall 10."""
    asset = make_asset()
    asset.file.delete(save=False)

    with capture_logs() as lines:
        response = client_of(asset).get(url_of(asset))

    assert response.status_code == 404
    assert [line["event"] for line in lines] == ["media.missing"]
    assert lines[0]["asset"] == str(asset.pk)


# Headers


def test_the_type_is_the_recorded_one_and_nothing_may_be_guessed_or_run() -> None:
    """Pitfall 21."""
    asset = make_asset()

    response = client_of(asset).get(url_of(asset))
    response.close()

    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Content-Disposition"].startswith("inline")
    assert response["Content-Length"] == str(asset.byte_size)


def test_a_video_may_be_played_by_itself_and_nothing_else() -> None:
    """Pitfall 21. A sandboxed page would ask for it without the cookie."""
    asset = make_asset(job_type="video_fast")

    response = client_of(asset).head(url_of(asset))

    assert response["Content-Type"] == "video/mp4"
    assert response["Content-Security-Policy"] == "default-src 'none'; media-src 'self'"


def test_a_file_is_cached_for_good_by_its_content_and_only_privately() -> None:
    """Pitfall 25."""
    asset = make_asset()
    client = client_of(asset)

    response = client.get(url_of(asset))
    response.close()
    again = client.get(url_of(asset), headers={"If-None-Match": response["ETag"]})

    assert response["ETag"] == f'"{asset.sha256}"'
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert again.status_code == 304
    assert again.content == b""
    assert again["Cache-Control"] == response["Cache-Control"]
    assert again["Content-Security-Policy"] == response["Content-Security-Policy"]


def test_a_thumbnail_has_an_etag_of_its_own() -> None:
    asset = make_asset()
    client = client_of(asset)

    assert client.head(url_of(asset, "thumbnail"))["ETag"] == f'"{asset.sha256}-t"'
    stale = client.get(url_of(asset, "thumbnail"), headers={"If-None-Match": f'"{asset.sha256}"'})
    assert stale.status_code == 200
    stale.close()


def test_head_says_what_get_would_without_the_bytes() -> None:
    asset = make_asset()

    response = client_of(asset).head(url_of(asset))

    assert response.status_code == 200
    assert response["Content-Length"] == str(asset.byte_size)
    assert response["Accept-Ranges"] == "bytes"
    assert not response.streaming


# Ranges


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=3-999999999", slice(3, None)),
        ("bytes=-999999999", slice(0, None)),
        ("bytes=0-0", slice(0, 1)),
    ],
)
def test_a_range_answers_with_exactly_those_bytes(asked: str, part: slice) -> None:
    asset = make_asset(job_type="video_fast")
    whole = stored(asset)

    response = client_of(asset).get(url_of(asset), headers={"Range": asked})

    assert response.status_code == 206
    first, last, _ = part.indices(len(whole))
    assert response["Content-Range"] == f"bytes {first}-{last - 1}/{len(whole)}"
    assert response["Content-Length"] == str(last - first)
    assert body(response) == whole[part]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,4-5",
        "bytes=9-3",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes=" + "9" * 40 + "-",
        "nonsense",
    ],
)
def test_several_ranges_and_nonsense_answer_with_the_whole(asked: str) -> None:
    asset = make_asset()

    response = client_of(asset).get(url_of(asset), headers={"Range": asked})

    assert response.status_code == 200
    assert body(response) == stored(asset)


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0"])
def test_a_range_outside_the_file_is_416_with_its_size(asked: str) -> None:
    asset = make_asset()

    response = client_of(asset).get(url_of(asset), headers={"Range": asked})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{asset.byte_size}"


def test_a_range_of_an_older_version_answers_with_the_whole() -> None:
    asset = make_asset()
    client = client_of(asset)

    fresh = client.get(url_of(asset), headers={"Range": "bytes=0-3", "If-Range": f'"{asset.sha256}"'})
    stale = client.get(url_of(asset), headers={"Range": "bytes=0-3", "If-Range": '"other"'})

    assert (fresh.status_code, len(body(fresh))) == (206, 4)
    assert (stale.status_code, len(body(stale))) == (200, asset.byte_size)


# Names


def disposition(asset: Asset) -> str:
    response = client_of(asset).head(url_of(asset) + "?download=1")
    return str(response["Content-Disposition"])


def downloaded_name(asset: Asset) -> str:
    """The name that a browser gives the file; the pages say the same one."""
    name = unquote(disposition(asset).rpartition("''")[2]).rpartition('="')[2].removesuffix('"')
    assert name == download_name(asset)
    return name


def test_a_download_is_named_by_prompt_seed_and_number() -> None:
    """Pitfall 21."""
    asset = make_asset(quantity=3)

    assert disposition(asset) == 'attachment; filename="a-lighthouse-over-a-stormy-sea-1842-3.png"'


def test_a_video_and_a_single_picture_have_no_number() -> None:
    assert disposition(make_asset(job_type="video_fast", seed=0)).endswith('sea-0.mp4"')
    assert disposition(make_asset(job_type="image_fast", seed=0)).endswith('sea-0.png"')


def test_umlauts_are_kept_and_encoded() -> None:
    asset = make_asset("Bäume über dem Fluß")

    assert disposition(asset) == (
        'attachment; filename="baume-uber-dem-fluss-1840-1.png"; '
        "filename*=UTF-8''b%C3%A4ume-%C3%BCber-dem-flu%C3%9F-1840-1.png"
    )


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("समुद्र के किनारे हिन्दी", "समुद्र-के-किनारे-हिन्दी"),
        ("ที่ทะเล", "ที่ทะเล"),
        ("می\u200cخواهم برم", "می\u200cخواهم-برم"),
        ("Cafe\u0301 \U0001f469\u200d\U0001f52c, o’clock", "café-oclock"),
        ("கடற்கரை", "கடற்கரை"),
        ("\U0001f98a\u200d\ufe0f\u0301", "image"),
    ],
)
def test_a_name_keeps_letters_with_their_marks(prompt: str, words: str) -> None:
    """The vowel signs of Hindi were lost, and a name was cut inside a letter."""
    assert downloaded_name(make_asset(prompt)) == f"{words}-1840-1.png"


@pytest.mark.parametrize("letter", ["कि", "가", "e\u0323\u0302", "雪", "ที่"])
def test_a_long_word_is_cut_between_letters(letter: str) -> None:
    words = downloaded_name(make_asset(letter * 200)).removesuffix("-1840-1.png")
    assert 70 < len(words.encode()) <= 80
    letter = unicodedata.normalize("NFC", letter)
    assert words == letter * (len(words) // len(letter))


@pytest.mark.parametrize("prompt", ["समुद्र", "Bäume", "雪 by night"])
def test_every_name_has_one_in_ascii_before_it(prompt: str) -> None:
    plain, _, encoded = disposition(make_asset(prompt)).partition("; filename*=")
    assert re.fullmatch(r'attachment; filename="[a-z]+(-[a-z]+)*-1840-1\.png"', plain)
    assert encoded.startswith("UTF-8''")


@pytest.mark.parametrize(
    "prompt", ['a "quoted" one\r\nSet-Cookie: evil=1', "../../etc/passwd", "one\ntwo; filename=evil.exe"]
)
def test_a_prompt_cannot_break_out_of_the_header(prompt: str) -> None:
    given = disposition(make_asset(prompt))

    name = given.removeprefix('attachment; filename="').removesuffix('"')
    assert not set(name) & set('"\\/\r\n;')
    assert name.endswith("-1840-1.png")


def test_a_prompt_without_letters_still_gives_a_name() -> None:
    assert disposition(make_asset("?!…")) == 'attachment; filename="image-1840-1.png"'


@pytest.mark.parametrize("prompt", ["word " * 300, "x" * 900, "雪" * 900])
def test_a_long_prompt_gives_a_name_that_file_systems_take(prompt: str) -> None:
    assert len(download_name(make_asset(prompt)).encode()) <= 110


def test_a_file_name_in_the_address_is_only_for_people() -> None:
    asset = make_asset()

    response = client_of(asset).head(url_of(asset) + "/anything.exe")

    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"


# Streaming


def test_under_asgi_chunks_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 50)
    asset = make_asset()
    whole = stored(asset)
    response = asked_by_asgi(asset)
    chunks: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        chunks.append(message.get("body", b""))

    asyncio.run(SingleThreadHandler().send_response(response, send))
    response.close()
    chunks = [chunk for chunk in chunks if chunk]

    assert b"".join(chunks) == whole
    assert {len(chunk) for chunk in chunks[:-1]} == {50}


def test_a_stream_closes_its_file_even_when_nobody_read_it() -> None:
    """An unclosed file is a ResourceWarning when it is collected, and so an error here."""
    asset = make_asset()

    response = asked_by_asgi(asset)
    response.close()

    del response
    gc.collect()


def asked_by_asgi(asset: Asset) -> HttpResponseBase:
    request = AsyncRequestFactory().get(url_of(asset))
    request.user = asset.owner
    return delivery.file(request, asset.media, asset.pk)


def test_a_file_costs_one_query_beside_the_session(django_assert_num_queries: Any) -> None:
    asset = make_asset()
    client = client_of(asset)

    with django_assert_num_queries(3):  # session, user, asset
        client.head(url_of(asset))
