"""Connections: how long one may take, how many there may be, and what is said when they run out."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from ourvidz.server.connections import KEEP_ALIVE_SECONDS
from ourvidz.server.limits import counted_as
from tests.servers.web import WebProcess, Wire, signed_in_session, web_process

pytestmark = pytest.mark.any_database

SECONDS = 2


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """Short deadlines and few connections."""
    folder = tmp_path_factory.mktemp("web")
    settings = {
        "REQUEST_HEADER_SECONDS": str(SECONDS),
        "REQUEST_BODY_SECONDS": str(SECONDS),
        "MAX_CONNECTIONS_PER_ADDRESS": "30",
    }
    with web_process(folder, **settings) as process:
        yield process


@contextlib.contextmanager
def idle_connections(port: int, count: int) -> Iterator[list[Wire]]:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(port)) for _ in range(count)]
        time.sleep(0.3)
        yield wires


def drip(wire: Wire, data: bytes, *, pause: float) -> int:
    """How many bytes could be sent, one by one, until it was closed."""
    wire.socket.settimeout(pause)
    for sent, byte in enumerate(data):
        try:
            wire.socket.sendall(bytes([byte]))
            wire.socket.recv(1, socket.MSG_PEEK)
            return sent  # an answer, or the end
        except TimeoutError:
            continue
        except OSError:
            return sent
    return len(data)


# Deadlines


def test_a_header_has_a_deadline_as_a_whole(strict: WebProcess) -> None:
    with strict.wire() as wire:
        wire.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        sent = drip(wire, b"x" * 200, pause=0.2)
        wire.socket.settimeout(10)
        assert sent < 100
        assert wire.rest().startswith(b"HTTP/1.1 408")


def test_one_who_says_nothing_is_closed(strict: WebProcess) -> None:
    with strict.wire() as wire:
        assert wire.rest() == b""


def test_a_body_that_drips_is_closed(strict: WebProcess) -> None:
    with strict.wire() as wire:
        wire.ask("/api/v1/worker/lease", "Content-Length: 1000", method="POST")
        assert drip(wire, b"x" * 200, pause=0.2) < 100


def test_a_slow_body_that_keeps_its_rate_is_read(strict: WebProcess) -> None:
    """Longer than the deadline of one that says nothing."""
    with strict.wire() as wire:
        parts = 3 * SECONDS * 5
        wire.ask("/api/v1/worker/lease", f"Content-Length: {parts * 8192}", method="POST")
        for _ in range(parts):
            try:
                wire.socket.sendall(b"x" * 8192)
            except OSError:
                break  # it was told early that it may not: also an answer
            time.sleep(0.2)
        assert wire.answer().status in {401, 413}


def test_an_idle_connection_is_kept(strict: WebProcess) -> None:
    """It has a deadline of its own, not that of a header."""
    assert KEEP_ALIVE_SECONDS >= 15
    with strict.wire() as wire:
        wire.ask("/healthz")
        assert wire.answer().status == 200
        time.sleep(2 * SECONDS)
        wire.ask("/healthz")
        assert wire.answer().status == 200


def test_the_deadline_begins_anew_with_each_request(strict: WebProcess) -> None:
    with strict.wire() as wire:
        wire.ask("/healthz")
        wire.answer()
        time.sleep(SECONDS / 2)
        wire.socket.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert drip(wire, b"x" * 200, pause=0.2) < 100


def test_a_socket_outlives_the_deadline_of_its_header_and_counts(tmp_path: Path) -> None:
    session = f"Cookie: sessionid={signed_in_session(tmp_path)}"
    settings = {"REQUEST_HEADER_SECONDS": str(SECONDS), "MAX_CONNECTIONS_PER_ADDRESS": "3"}
    with web_process(tmp_path, **settings) as web:
        with web.wire() as one, web.wire() as two, web.wire() as three:
            for wire in (one, two, three):
                wire.ask_for_socket("/ws/workspace/", session)
                assert wire.socket.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 101"
            time.sleep(2 * SECONDS)
            assert web.ask("/healthz").status == 503
            for wire in (one, two, three):
                wire.socket.setblocking(False)
                assert wire.socket.recv(65536).startswith(b"HTTP/1.1 101")
                with pytest.raises(BlockingIOError):
                    wire.socket.recv(1)
        wait_until_served(web)


# Numbers


def test_one_address_has_so_many_connections_and_no_more(strict: WebProcess) -> None:
    with idle_connections(strict.port, 30):
        answer = strict.ask("/healthz")
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"
    wait_until_served(strict)
    wait_until_said(strict, "connections.refused")


def wait_until_served(web: WebProcess) -> None:
    for _ in range(100):
        if web.ask("/healthz").status == 200:
            return
        time.sleep(0.1)
    pytest.fail("it serves nobody any more")


def test_behind_a_proxy_its_address_is_everybodys(tmp_path: Path) -> None:
    settings = {"HTTPS": "true", "MAX_CONNECTIONS_PER_ADDRESS": "5", "MAX_CONNECTIONS": "40"}
    with web_process(tmp_path, **settings) as web:
        with idle_connections(web.port, 20):
            assert web.ask("/healthz").body == b"ok"
        with idle_connections(web.port, 37):
            assert web.ask("/healthz").body == b"degraded"
        with idle_connections(web.port, 40):
            assert web.ask("/healthz").status == 503
        wait_until_served(web)
        assert web.ask("/healthz").body == b"ok"


def test_refused_connections_are_not_kept(strict: WebProcess) -> None:
    """One who goes on connecting and never reads costs no more than a few descriptors for two seconds."""
    with idle_connections(strict.port, 30), idle_connections(strict.port, 200):
        assert strict.descriptors < 30 + 64 + 50


def test_it_lives_on_when_descriptors_run_out(tmp_path: Path) -> None:
    """A limit that cannot be raised: the connections are fewer then, and all that come are answered."""
    limited = "prlimit --nofile=128:128" if has_prlimit() else pytest.skip("no prlimit here")
    with web_process(tmp_path, prefix=limited) as web:
        with idle_connections(web.port, 200):
            assert web.ask("/healthz").status == 503
            wait_until_said(web, "connections.nearly_exhausted")
            assert web.process.poll() is None
        wait_until_served(web)


def wait_until_said(web: WebProcess, event: str) -> None:
    for _ in range(100):
        if event in web.log:
            return
        time.sleep(0.1)
    pytest.fail(f"{event} is not in the log")


def has_prlimit() -> bool:
    try:
        return subprocess.run(["prlimit", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_the_limit_on_descriptors_is_raised(tmp_path: Path) -> None:
    if not has_prlimit():
        pytest.skip("no prlimit here")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with web_process(tmp_path, prefix="prlimit --nofile=256:") as web:
        assert resource.prlimit(web.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
        with idle_connections(web.port, 300):
            assert web.ask("/healthz").body == b"ok"


@pytest.mark.parametrize(
    ("host", "alone", "behind_a_proxy"),
    [
        ("8.8.8.8", "8.8.8.8", "8.8.8.8"),
        ("::ffff:8.8.8.8", "8.8.8.8", "8.8.8.8"),
        ("2a00:1:2:3::7", "2a00:1:2:3::", "2a00:1:2:3::"),
        ("10.0.0.1", "10.0.0.1", None),
        ("::ffff:10.0.0.1", "10.0.0.1", None),
        ("::1", "::", None),
    ],
)
def test_an_ipv6_network_is_one_address_and_a_proxy_none(
    settings: LazySettings, host: str, alone: str, behind_a_proxy: str | None
) -> None:
    for settings.HTTPS, counted in ((False, alone), (True, behind_a_proxy)):
        counted_as.cache_clear()
        assert counted_as(host) == counted
    counted_as.cache_clear()


def test_at_the_end_all_that_runs_is_stopped_whoever_has_only_begun_to_ask(tmp_path: Path) -> None:
    with web_process(tmp_path) as web, web.wire() as begun, web.wire() as served:
        begun.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        served.ask("/healthz")
        assert served.answer().status == 200
        web.process.terminate()
        assert web.process.wait(60) == 0
        assert "Traceback" not in web.log
