"""Request bodies over plain sockets: read only from those who may send them, and never into memory."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually

pytestmark = pytest.mark.any_database

MEGABYTE = 1024 * 1024
PART = bytes(64 * 1024)
PATIENCE_S = 60


class Connection:
    """A client that speaks HTTP by the byte."""

    def __init__(self, server: Installation) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> bool:
        """Whether the server took it all."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def head(self, method: str, path: str, **headers: object) -> None:
        """Send a request up to its body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := self.socket.recv(65536):
                received += part
        return received

    def until(self, end: bytes) -> bytes:
        received = b""
        while end not in received:
            part = self.socket.recv(65536)
            assert part, f"closed after {received!r}"
            received += part
        return received


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and code of the one answer, which says that the connection is closed."""
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"application/problem+json" in head
    return int(head.split()[1]), str(json.loads(body)["code"])


def counter(server: Installation, file: str, name: str) -> int:
    """What Linux counts of the web process: VmRSS in KiB, wchar in bytes."""
    assert server.web is not None
    lines = Path(f"/proc/{server.web.process.pid}/{file}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


@contextlib.contextmanager
def peak_memory(server: Installation) -> Iterator[Callable[[], int]]:
    """How many megabytes more the web process took than at first, at its peak so far."""
    first = counter(server, "status", "VmRSS")
    seen = [first]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            seen.append(counter(server, "status", "VmRSS"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: (max(seen) - first) // 1024
    finally:
        ended.set()
        watcher.join()


def chunked(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("reads", [True, False])
def test_large_bodies_of_nobody_cost_nothing(live: Installation, reads: bool, has_length: bool) -> None:
    """pitfall 40: twelve of 110 MB took 1.2 GB and stopped everybody for seven seconds."""
    size = 110 * MEGABYTE
    framing: dict[str, Any] = {"Content_Length": size} if has_length else {"Transfer_Encoding": "chunked"}
    part = PART if has_length else chunked(PART)
    done = threading.Event()

    def attack() -> bytes:
        with Connection(live) as connection:
            connection.head("POST", "/healthz", **framing)
            for _ in range(size // len(PART)):
                if not connection.send(part):
                    break
            else:
                pytest.fail("all of it was taken")
            if reads:
                return connection.rest()
            done.wait(PATIENCE_S)
        return b""

    person = live.person()
    with peak_memory(live) as peak, ThreadPoolExecutor(12) as attackers:
        attacks = [attackers.submit(attack) for _ in range(12)]
        for _ in range(10):
            assert person.http.get("/healthz").status_code == 200
            assert person.http.get("/api/v1/me").status_code == 200
        done.set()
        answers = [attack.result() for attack in attacks]
        print(f"{peak()} MB more")
        assert peak() < 50
    if reads:
        assert [refusal(answer) for answer in answers] == [(413, "too_large")] * 12


def test_small_bodies_that_do_not_end_cost_little_memory(live: Installation) -> None:
    """pitfall 40: a hundred of a megabyte each, without their last byte."""
    with peak_memory(live) as peak, contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(Connection(live))
            connection.head("POST", "/api/v1/worker/job-callback", Transfer_Encoding="chunked")
            assert connection.send(*[chunked(PART)] * 15)
        person = live.person()
        for _ in range(20):  # meanwhile it reads what came
            assert person.http.get("/healthz").status_code == 200
            time.sleep(0.1)
        print(f"{peak()} MB more")
        assert peak() < 50


@pytest.fixture
def job(live: Installation) -> tuple[Machine, dict[str, Any]]:
    live.person().submit()
    machine = live.machine()
    return machine, machine.lease()


def upload(connection: Connection, machine: Machine, job: dict[str, Any], **headers: object) -> None:
    """Begin to upload the first slot."""
    connection.head(
        "PUT",
        f"/api/v1/worker/jobs/{job['job_id']}/uploads/0",
        Authorization=f"Bearer {machine.token}",
        X_Lease_Token=job["lease_token"],
        **{"Content_Type": "image/png", **headers},
    )


def test_who_may_not_upload_is_told_before_the_body(
    live: Installation, job: tuple[Machine, dict[str, Any]]
) -> None:
    """pitfalls 16 and 40: no byte of the body was sent when the answer comes, and then it is over."""
    machine, held = job
    stale = {**held, "lease_token": held["job_id"]}
    for who, what, length, expected in [
        (Machine(live.address, "ovw_nobody"), held, 50 * MEGABYTE, (401, "authentication_failed")),
        (live.machine(), held, 50 * MEGABYTE, (404, "job_not_found")),
        (machine, stale, 50 * MEGABYTE, (409, "lease_lost")),
        (machine, held, 100 * MEGABYTE + 1, (413, "too_large")),
    ]:
        with Connection(live) as connection:
            upload(connection, who, what, Content_Length=length)
            assert refusal(connection.rest()) == expected


def test_a_reference_of_nobody_is_refused_before_it_comes(live: Installation) -> None:
    """By the session's cookie as by a token; a session without its CSRF token is nobody's."""
    person = live.person()
    cookie = f"sessionid={person.session}"
    for headers, expected in [
        ({}, (401, "not_authenticated")),
        ({"Cookie": cookie}, (403, "permission_denied")),
    ]:
        with Connection(live) as connection:
            connection.head(
                "PUT", "/api/v1/references", Content_Type="image/png", Content_Length=10**7, **headers
            )
            assert refusal(connection.rest()) == expected


def test_what_follows_a_refusal_is_no_request(live: Installation) -> None:
    """pitfall 41: the body of a refused upload is not read as the next request on its connection."""
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    with Connection(live) as connection:
        connection.head("PUT", "/api/v1/references", Content_Type="image/png", Content_Length=10**7)
        connection.send(smuggled)
        assert refusal(connection.rest()) == (401, "not_authenticated")


def test_expect_is_answered_after_admission(live: Installation, job: tuple[Machine, dict[str, Any]]) -> None:
    machine, held = job
    waits = {"Expect": "100-continue", "Content_Length": 8}
    with Connection(live) as connection:
        upload(connection, live.machine(), held, **waits)
        assert refusal(connection.rest()) == (404, "job_not_found")
    with Connection(live) as connection:
        upload(connection, machine, held, **waits)
        assert connection.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(b"no media")
        assert connection.until(b"}").startswith(b"HTTP/1.1 200 OK\r\n")
    with Connection(live) as connection:
        connection.head("POST", "/api/v1/worker/lease", Connection="close", **waits)
        assert connection.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(b"no media")
        assert connection.rest().startswith(b"HTTP/1.1 401 ")


def test_a_large_upload_goes_to_the_disk_once(
    live: Installation, job: tuple[Machine, dict[str, Any]]
) -> None:
    """pitfall 40"""
    machine, held = job
    size = 100 * MEGABYTE
    before = counter(live, "io", "wchar")
    with peak_memory(live) as peak, Connection(live) as connection:
        upload(connection, machine, held, Content_Length=size, Connection="close")
        assert connection.send(*[PART] * (size // len(PART)))
        answer = connection.rest()
        print(f"{peak()} MB more")
        assert peak() < 40
    written = counter(live, "io", "wchar") - before
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "wrong_format"
    assert size <= written < 1.2 * size
    assert not list((live.data / "tmp").iterdir())


def test_requests_with_bodies_follow_each_other(live: Installation) -> None:
    """On one connection, sent without waiting: the answers come in order."""
    lease = b"POST /api/v1/worker/lease HTTP/1.1\r\nHost: localhost\r\n"
    counted = lease + b"Content-Length: 300000\r\n\r\n" + b"x" * 300000
    streamed = lease + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 100) * 3 + b"0\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with Connection(live) as connection:
        connection.send(streamed, counted[:-1])
        connection.send(counted[-1:])
        first = connection.until(b"HTTP/1.1 413 ")
        assert first.startswith(b"HTTP/1.1 401 ")
    with Connection(live) as connection:
        connection.send(streamed + streamed + last)
        answers = connection.rest().split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"401", b"401", b"200"]


@pytest.fixture
def narrow(live: Installation) -> Iterator[Installation]:
    """A web server that takes two uploads of a megabyte of one caller at once, and three in all."""
    size = str(MEGABYTE)
    server = live.beside(
        MAX_UPLOAD_BYTES=size,
        MAX_REFERENCE_BYTES=size,
        UPLOAD_BYTES_PER_CALLER=str(2 * MEGABYTE),
        UPLOAD_BYTES_IN_FLIGHT=str(3 * MEGABYTE),
    )
    server.start()
    yield server
    server.stop()


def test_uploads_in_flight_are_bounded(
    live: Installation, narrow: Installation, job: tuple[Machine, dict[str, Any]]
) -> None:
    """pitfall 40: too many of one caller, too many in all; what breaks off makes room."""
    machine, held = job
    live.person().submit()
    other = live.machine()
    others = other.lease()

    def begun(stack: contextlib.ExitStack, who: Machine, what: dict[str, Any]) -> Connection:
        connection = stack.enter_context(Connection(narrow))
        upload(connection, who, what, Content_Length=MEGABYTE, Expect="100-continue")
        return connection

    def is_taken(connection: Connection) -> bool:
        return connection.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    with contextlib.ExitStack() as stack:
        assert is_taken(begun(stack, machine, held))
        assert is_taken(begun(stack, machine, held))
        refused = begun(stack, machine, held).rest()
        assert refusal(refused) == (429, "uploads_in_flight")
        assert b"retry-after: 2\r\n" in refused.lower()
        assert is_taken(begun(stack, other, others))
        refused = begun(stack, other, others).rest()
        assert refusal(refused) == (503, "busy_with_uploads")
        assert b"retry-after: 5\r\n" in refused.lower()

    def there_is_room() -> bool:
        with contextlib.ExitStack() as stack:
            return b"100 Continue" in begun(stack, machine, held).until(b"\r\n\r\n")

    eventually(there_is_room)
