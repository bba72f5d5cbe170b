"""Headers that could change what a request means: each is refused, or has no effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.web import WebProcess, signed_in_session, web_process

pytestmark = pytest.mark.any_database

SETTINGS = "tests.ourvidz.response_settings"
PREFIX_HEADERS = (
    "Daphne-Root-Path: /elsewhere",
    "DAPHNE-ROOT-PATH: /elsewhere",
    "Daphne_Root_Path: /elsewhere",
    "Root-Path: /elsewhere",
    "Script-Name: /elsewhere",
    "X-Script-Name: /elsewhere",
    "X-Forwarded-Prefix: /elsewhere",
    "X-Original-URL: /elsewhere",
    "X-Rewrite-URL: /elsewhere",
    "X-Forwarded-Host: elsewhere.example",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Server: elsewhere.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Scheme: https",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "Forwarded: host=elsewhere.example;proto=https",
    "X_Forwarded_Host: elsewhere.example",
    "Transfer-Encoding: identity",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def session(folder: Path) -> str:
    return f"Cookie: sessionid={signed_in_session(folder)}"


@pytest.fixture(scope="module")
def web(folder: Path, session: str) -> Iterator[WebProcess]:
    with web_process(folder, DJANGO_SETTINGS_MODULE=SETTINGS) as process:
        yield process


def seen(web: WebProcess, *headers: str) -> dict[str, object]:
    """What a view sees of such a request, without the header itself."""
    answer = web.ask("/echo/here?a=b", *headers)
    assert answer.status == 200
    told: dict[str, object] = json.loads(answer.body)
    del told["headers"]
    return told


@pytest.mark.parametrize("header", PREFIX_HEADERS)
def test_what_a_request_means_is_in_its_first_line_and_its_host(web: WebProcess, header: str) -> None:
    assert seen(web, header) == {
        "method": "GET",
        "path": "/echo/here",
        "script_name": "",
        "url": "http://localhost/echo/here?a=b",
        "body": "",
    }


def test_a_name_with_an_underscore_is_not_taken_for_one_with_a_hyphen(web: WebProcess) -> None:
    answer = web.ask("/echo/here", "X_Real_Ip: 10.0.0.1", "Content_Length: 5", "X-Kept: 1")
    names = set(json.loads(answer.body)["headers"])
    assert "X-Kept" in names
    assert not {"X-Real-Ip", "X_Real_Ip"} & names


@pytest.mark.parametrize(
    "header", [*PREFIX_HEADERS[:8], "X-Forwarded-Host: elsewhere.example", "X-HTTP-Method-Override: DELETE"]
)
def test_a_socket_is_opened_where_its_first_line_says(web: WebProcess, session: str, header: str) -> None:
    with web.wire() as wire:
        wire.ask_for_socket("/ws/workspace/", session, header)
        assert wire.answer_status() == 101


def test_no_prefix_opens_a_socket_under_another_path(web: WebProcess, session: str) -> None:
    with web.wire() as wire:
        wire.ask_for_socket("/elsewhere/ws/workspace/", session, "Daphne-Root-Path: /elsewhere")
        assert wire.answer_status() != 101


def raw(web: WebProcess, *lines: str, body: str = "") -> bytes:
    """All that comes back; a second request lies in the body, for whoever takes it for one."""
    with web.wire() as wire:
        wire.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin1") + body.encode())
        return wire.rest()


HIDDEN = "GET /echo/hidden HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = ("POST /echo/here HTTP/1.1", "Host: localhost")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 0", f"Content-Length: {len(HIDDEN)}"),
        ("Content-Length: 0, 5",),
        ("Content-Length: +5",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length : 5",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: 5\r\n 0",),
        ("No colon",),
        ("Na me: 1",),
        ("Nul: a\0b",),
        ("Host: elsewhere.example",),
    ],
    ids=repr,
)
def test_what_two_readers_could_take_for_different_requests_is_refused(
    web: WebProcess, headers: tuple[str, ...]
) -> None:
    answer = raw(web, *POST, *headers, "Connection: close", body=HIDDEN)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"hidden" not in answer


@pytest.mark.parametrize(
    "target", ["http://elsewhere.example/echo/here", "elsewhere.example:80", "*", "echo/here", "\xff"]
)
def test_a_target_that_is_no_path_is_refused(web: WebProcess, target: str) -> None:
    answer = raw(web, f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close")
    assert answer.startswith(b"HTTP/1.1 400")


def test_two_hosts_open_no_socket(web: WebProcess, session: str) -> None:
    with web.wire() as wire:
        wire.ask_for_socket("/ws/workspace/", session, "Host: elsewhere.example")
        assert wire.answer_status() == 400


def test_a_header_is_bounded_in_bytes_and_lines(web: WebProcess) -> None:
    long = raw(web, "GET /healthz HTTP/1.1", "Host: localhost", "X: " + "x" * 20_000)
    many = raw(web, "GET /healthz HTTP/1.1", "Host: localhost", *[f"X-{n}: 1" for n in range(501)])
    assert long == b"" or long.startswith(b"HTTP/1.1 400")
    assert many.startswith(b"HTTP/1.1 400")
    most = raw(
        web,
        "GET /healthz HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        *[f"X-{n}: 1" for n in range(490)],
    )
    assert most.startswith(b"HTTP/1.1 200")


def test_behind_a_proxy_its_word_for_https_is_taken(tmp_path: Path) -> None:
    with web_process(tmp_path, DJANGO_SETTINGS_MODULE=SETTINGS, HTTPS="true") as web:
        assert web.ask("/echo/here").status == 301
        answer = web.ask("/echo/here", "X-Forwarded-Proto: https", "X-Forwarded-Host: elsewhere.example")
        assert json.loads(answer.body)["url"] == "https://localhost/echo/here"
