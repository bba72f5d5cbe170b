"""Daphne as we run it: a real process, spoken to over plain sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.servers.process import free_port

MEGABYTE = 1024 * 1024
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class WebServer:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def says(self, request: bytes, body: Iterable[bytes] = ()) -> tuple[bytes, int]:
        """The answer, and how many bytes of the body it took."""
        sent, answer = 0, b""
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            connection.sendall(request)
            try:
                for part in body:
                    connection.sendall(part)
                    sent += len(part)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough
            while received := connection.recv(65536):
                answer += received
        return answer, sent

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    data, port = tmp_path_factory.mktemp("web"), free_port()
    (data / "static").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data),
        "PORT": str(port),
        "MAX_UPLOAD_BYTES": str(MEGABYTE),
    }
    command = [sys.executable, "manage.py", "serve"]
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    server = WebServer(process, port)
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_healthy(server: WebServer) -> None:
    for _ in range(300):
        try:
            assert server.says(GET)[0].startswith(b"HTTP/1.1 200")
        except OSError:
            assert server.process.poll() is None
            time.sleep(0.1)
        else:
            return
    pytest.fail("the web server did not start")


def with_body(*headers: bytes) -> bytes:
    """A GET, which needs no CSRF token; a body it may have all the same."""
    return b"\r\n".join(
        [b"GET /healthz HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"\r\n"]
    )


def test_it_is_healthy_and_says_so_to_nobodys_cache(web: WebServer) -> None:
    answer, _ = web.says(GET)
    assert b"no-store" in answer
    assert answer.endswith(b"ok")


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(web: WebServer) -> None:
    answer, _ = web.says(with_body(b"Content-Length: 10000000000"))
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_without_a_length_ends_at_the_cap(web: WebServer) -> None:
    """Chunked: nobody announced how much comes."""
    before = web.memory
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    answer, sent = web.says(with_body(b"Transfer-Encoding: chunked"), (chunk for _ in range(1600)))
    assert answer.startswith(b"HTTP/1.1 413")
    assert sent < 30 * MEGABYTE  # of 100; what lies in the sockets counts as sent
    assert web.memory - before < 10 * MEGABYTE


def test_a_body_up_to_the_cap_is_left_to_the_view(web: WebServer) -> None:
    answer, sent = web.says(with_body(b"Content-Length: %d" % MEGABYTE), [b"x" * MEGABYTE])
    assert answer.startswith(b"HTTP/1.1 200")
    assert sent == MEGABYTE
    assert web.says(with_body(b"Content-Length: %d" % (MEGABYTE + 1)))[0].startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("length", [b"-5", b"abc", b"1e9", b"", b"9" * 5000])
def test_a_length_that_is_none_is_refused(web: WebServer, length: bytes) -> None:
    assert web.says(with_body(b"Content-Length: " + length))[0].startswith(b"HTTP/1.1 400")


def test_it_serves_on_after_all_of_that(web: WebServer) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", web.port), 5) as connection:
            connection.sendall(b"PUT /healthz HTTP/1.1\r\nContent-Length: 500000\r\n\r\nhalf")
    assert web.says(GET)[0].startswith(b"HTTP/1.1 200")
