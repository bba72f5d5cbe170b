"""Broken, hostile and foreign servers: the worker waits or refuses, and keeps running."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import pytest

from ourvidz_worker import client as client_module
from ourvidz_worker.cli import main
from ourvidz_worker.client import Server
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.errors import ServerRefused, ServerUnavailable
from ourvidz_worker.protocol import Job, Offer, parse_job
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.test_runner import ended, wait_for, working

OFFER = Offer(("sdxl",), ("sdxl_image_fast",), "sketch", "0", "cpu")
JUNK = b"<html>We are moving house</html>"


@contextmanager
def answering(speak: Callable[[socket.socket], None], patience: float = 0.5) -> Iterator[Server]:
    """A client of a server that says to everybody what `speak` says."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                with caller, suppress(OSError):
                    caller.recv(2**16)
                    speak(caller)

    Thread(target=serve, daemon=True).start()
    client = Server(f"http://127.0.0.1:{listener.getsockname()[1]}", TOKEN, patience=patience)
    try:
        yield client
    finally:
        client.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def saying(content: bytes, *headers: str) -> Callable[[socket.socket], None]:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(content)}", "Connection: close", *headers, "", ""]
    return lambda caller: caller.sendall("\r\n".join(lines).encode() + content)


def job() -> Job:
    return parse_job(job_body() | {"heartbeat_seconds": 0.5})


CALLS: dict[str, Callable[[Server], object]] = {
    "lease": lambda client: client.lease(OFFER, 0.1),
    "upload": lambda client: client.upload(job(), 0, b"x", "image/png", halted=Event()),
    "report": lambda client: client.report(job(), {}, halted=Event()),
    "heartbeat": lambda client: client.heartbeat(job(), 1, "drawing", halted=Event()),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("content", [JUNK, b"[1]", b"", b"\xff\xfe", b"[" * 100_000])
def test_a_page_where_json_should_be_is_a_server_that_is_away(call: str, content: bytes) -> None:
    """A proxy's notice, say; once it raised what nobody caught, and a heartbeat's thread ended silently."""
    with answering(saying(content)) as client, pytest.raises(ServerUnavailable):
        CALLS[call](client)


def test_an_encoding_that_is_none_is_a_server_that_is_away() -> None:
    with answering(saying(JUNK, "Content-Encoding: gzip")) as client, pytest.raises(ServerUnavailable):
        client.lease(OFFER, 0.1)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    def endless(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            caller.sendall(bytes(2**16))

    with answering(endless, patience=60.0) as client:
        with pytest.raises(ServerRefused, match="over 4194304 bytes"):
            client.lease(OFFER, 0.1)
        with pytest.raises(ServerRefused, match="over 67108864 bytes"):
            client.reference("/media/1", halted=Event())


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time for a timeout between two of them."""
    monkeypatch.setattr(client_module, "MAX_RESPONSE_S", 0.3)

    def drip(caller: socket.socket) -> None:
        caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100):
            caller.sendall(b" ")
            time.sleep(0.05)

    began = time.monotonic()
    with answering(drip) as client, pytest.raises(ServerUnavailable, match="took over"):
        client.lease(OFFER, 0.1)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("asked", "waited"), [("9" * 400, 300.0), ("²", None), ("-1", None), ("7", 7.0)])
def test_retry_after_is_limited(server: ProtocolServer, asked: str, waited: float | None) -> None:
    server.script("POST /lease", 503, Retry_After=asked)
    client = Server(server.url, TOKEN)
    with pytest.raises(ServerUnavailable) as unavailable:
        client.lease(OFFER, 0.1)
    client.close()
    assert unavailable.value.retry_after == waited


def test_a_redirect_is_reported_and_not_followed(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The token is not carried elsewhere."""
    server.script("POST /lease", 301, Location="https://moved.example/api/v1/worker/lease")
    assert main(["run", "--server", server.url, "--token", TOKEN]) == 1
    assert "301: it has moved to https://moved.example/" in capsys.readouterr().err


def test_a_connection_that_fails_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--server", "http://127.0.0.1:9", "--token", TOKEN])
    assert "Connection refused" in capsys.readouterr().out


def test_nonsense_in_the_middle_of_a_job_costs_no_result(server: ProtocolServer) -> None:
    server.jobs.append(job_body(slots=2))
    for call in ("PUT /uploads/0", "POST /job-callback", "POST /heartbeat"):
        server.script(call, 200, ["nonsense"])
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    assert len(server.uploads()) == 3
