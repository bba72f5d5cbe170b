"""Readers who take an answer slowly or not at all: what they cost, and that others are served meanwhile."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ourvidz.response_views import FILM_BYTES
from tests.servers import temporary_postgres
from tests.servers.process import ServerDidNotStartError
from tests.servers.web import WebProcess, Wire, web_process

pytestmark = pytest.mark.any_database

SETTINGS = "tests.ourvidz.response_settings"
MEGABYTE = 1024 * 1024
STALL_SECONDS = 2


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    folder = tmp_path_factory.mktemp("web")
    with web_process(folder, DJANGO_SETTINGS_MODULE=SETTINGS) as process:
        yield process


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """Cuts who stands still for two seconds."""
    settings = {"DJANGO_SETTINGS_MODULE": SETTINGS, "RESPONSE_STALL_SECONDS": str(STALL_SECONDS)}
    with web_process(tmp_path_factory.mktemp("strict"), **settings) as process:
        yield process


@contextlib.contextmanager
def stalled_readers(web: WebProcess, count: int, *asked: str) -> Iterator[list[Wire]]:
    """They ask, read the beginning, and then nothing."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(web.wire(receive_buffer=4096)) for _ in range(count)]
        for wire in wires:
            for path in asked:
                wire.ask(path)
        for wire in wires:
            assert wire.socket.recv(100, socket.MSG_PEEK)
        web.settle()  # what the server would still take into memory
        yield wires


def wait_until_closed(wire: Wire) -> None:
    """Without reading: a reset is seen by poll."""
    for _ in range(300):
        with contextlib.suppress(BlockingIOError):
            if wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return
        try:
            wire.socket.send(b"")
            wire.socket.send(b"\r\n")
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("it was not closed")


@pytest.mark.parametrize("path", ["/film", "/endless", "/streamed/100000000"])
def test_readers_that_stand_still_cost_little_and_others_are_served(web: WebProcess, path: str) -> None:
    web.ask("/users")
    before, threads = web.memory, web.threads
    with stalled_readers(web, 12, path):
        grown = web.memory - before
        print(f"{path}: 12 stalled readers cost {grown / MEGABYTE:.1f} MB, {web.threads - threads} threads")
        assert grown < 12 * MEGABYTE
        assert web.threads - threads < 12  # the loop's own pool is smaller
        assert web.ask("/users").body == b"1"


def test_requests_that_were_not_waited_for_are_not_answered_into_memory(web: WebProcess) -> None:
    """400 in one packet, each answered by 60,000 bytes that nobody takes."""
    before = web.memory
    with stalled_readers(web, 2, *["/sized/60000"] * 400):
        assert web.memory - before < 12 * MEGABYTE


def test_what_comes_while_an_answer_stands_still_is_not_kept(web: WebProcess) -> None:
    before = web.memory
    with stalled_readers(web, 1, "/film") as [wire]:
        wire.socket.settimeout(3)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 * MEGABYTE:
                sent += wire.socket.send(b"x" * MEGABYTE)
        assert web.memory - before < 24 * MEGABYTE
        assert sent < 64 * MEGABYTE


@pytest.mark.parametrize("headers", [(), ("Connection: close",)])
@pytest.mark.parametrize("path", ["/film", "/sized/30000000", "/sized/6000000"])
def test_one_who_takes_nothing_is_cut_and_forgotten(
    strict: WebProcess, path: str, headers: tuple[str, ...]
) -> None:
    descriptors = strict.descriptors
    with strict.wire(receive_buffer=4096) as wire:
        wire.ask(path, *headers)
        wait_until_closed(wire)
    for _ in range(100):
        if strict.descriptors <= descriptors:
            break
        time.sleep(0.1)
    assert strict.descriptors <= descriptors
    assert "response.stalled" in strict.log


def test_a_slow_reader_is_not_cut(strict: WebProcess) -> None:
    """Longer than the deadline for one who stands still; each pause is shorter."""
    with strict.wire(receive_buffer=64 * 1024) as wire:
        wire.ask("/film")
        ends = time.monotonic() + 3 * STALL_SECONDS
        while time.monotonic() < ends:
            assert wire.socket.recv(64 * 1024)
            time.sleep(0.05)
        left = FILM_BYTES // 2
        while left > 0:
            received = len(wire.socket.recv(MEGABYTE))
            assert received
            left -= received


def test_a_film_arrives_whole(web: WebProcess) -> None:
    began = time.monotonic()
    answer = web.ask("/film")
    print(f"{FILM_BYTES / MEGABYTE / (time.monotonic() - began):.0f} MB/s")
    assert len(answer.body) == FILM_BYTES


def test_readers_who_left_are_forgotten(web: WebProcess) -> None:
    descriptors = web.descriptors
    with stalled_readers(web, 12, "/film"):
        pass
    for _ in range(100):
        if web.descriptors <= descriptors:
            break
        time.sleep(0.1)
    assert web.descriptors <= descriptors


@pytest.mark.postgres
def test_no_reader_holds_a_connection_of_the_pool(tmp_path: Path) -> None:
    try:
        postgres = temporary_postgres()
    except ServerDidNotStartError as error:
        pytest.skip(str(error))
    with (
        postgres as url,
        web_process(tmp_path, DJANGO_SETTINGS_MODULE=SETTINGS, DATABASE_URL=url, DATABASE_POOL="2") as web,
        stalled_readers(web, 6, "/film"),
    ):
        for _ in range(3):
            assert web.ask("/users").body == b"1"
