"""Answers over the wire: after each, the next thing on the connection is exactly the next answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.servers.web import WebProcess, web_process

pytestmark = pytest.mark.any_database

SIZES = (0, 1, 65_535, 65_536, 65_537, 200_000)
SETTINGS = "tests.ourvidz.response_settings"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with web_process(tmp_path_factory.mktemp("web"), DJANGO_SETTINGS_MODULE=SETTINGS) as process:
        yield process


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["sized", "streamed"])
def test_head_is_answered_by_headers_alone(web: WebProcess, kind: str, size: int) -> None:
    """Pitfall 41"""
    with web.wire() as wire:
        for _ in range(3):  # one after the other
            wire.ask(f"/{kind}/{size}", method="HEAD")
            answer = wire.answer(to="HEAD")
            assert answer.status == 200
            assert answer.headers.get("content-length") == (str(size) if kind == "sized" else None)
        wire.ask("/healthz", "Connection: close")
        assert wire.answer().body == b"ok"
        assert wire.rest() == b""


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("kind", ["sized", "streamed"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_status_without_a_body_has_none(web: WebProcess, kind: str, status: int, method: str) -> None:
    """Pitfall 41"""
    with web.wire() as wire:
        wire.ask(f"/{kind}/200000/{status}", method=method)
        answer = wire.answer(to=method)
        assert answer.status == status
        assert "content-length" not in answer.headers
        wire.ask("/healthz", "Connection: close")
        assert wire.answer().body == b"ok"
        assert wire.rest() == b""


@pytest.mark.parametrize("kind", ["sized", "streamed"])
def test_an_interim_status_is_no_answer(web: WebProcess, kind: str) -> None:
    with web.wire() as wire:
        wire.ask(f"/{kind}/200000/103")
        assert wire.answer().status == 500
        wire.ask("/healthz", "Connection: close")
        assert wire.answer().body == b"ok"
        assert wire.rest() == b""


def test_pipelined_requests_are_answered_in_order_whatever_they_are(web: WebProcess) -> None:
    with web.wire() as wire:
        wanted = [("HEAD", "streamed", size) for size in SIZES] + [("GET", "sized", size) for size in SIZES]
        wanted += [("HEAD", "sized", size) for size in SIZES] + [("GET", "streamed", size) for size in SIZES]
        for method, kind, size in wanted:
            wire.ask(f"/{kind}/{size}", method=method)
        wire.ask("/healthz", "Connection: close")
        for method, _, size in wanted:
            assert len(wire.answer(to=method).body) == (size if method == "GET" else 0)
        assert wire.answer().body == b"ok"
        assert wire.rest() == b""


def test_the_rest_of_what_head_asks_for_is_not_made(web: WebProcess) -> None:
    with web.wire() as wire:
        wire.ask("/endless", method="HEAD")
        assert wire.answer(to="HEAD").status == 200
        wire.ask("/healthz")
        assert wire.answer().body == b"ok"


@pytest.mark.parametrize("path", ["announced/100/200", "announced/200/100", "broken"])
def test_after_an_answer_of_another_length_than_announced_nothing_follows(web: WebProcess, path: str) -> None:
    with web.wire() as wire:
        wire.ask(f"/{path}")
        with contextlib.suppress(ConnectionError):  # it may be closed already
            wire.ask("/healthz", "Connection: close")
        assert b"ok" not in wire.rest()
    assert web.ask("/healthz").body == b"ok"


def test_the_watch_over_the_applications_outlives_one_that_raised(web: WebProcess) -> None:
    """Daphne's own raised too, once and for all: what ended after it was never forgotten."""
    with web.wire() as wire:
        wire.ask("/broken")
        wire.rest()
    test_an_interim_status_is_no_answer(web, "sized")  # answered by that watch


def test_the_schema_over_head(web: WebProcess) -> None:
    with web.wire() as wire:
        wire.ask("/api/schema/", method="HEAD")
        assert int(wire.answer(to="HEAD").headers["content-length"]) > 65_536
        wire.ask("/healthz")
        assert wire.answer().body == b"ok"
