"""A page that stays open, as far as the server can tell: its socket, kept as `static/js/live.js` keeps it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from tests.functional.callers import Person
from tests.functional.programs import eventually

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0  # as in live.js
CONVERGED_S = 30.0
SILENCE_S = 45.0
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Closed(Exception):
    """The socket is over, or was refused."""


class Socket:
    """As much of RFC 6455 as short text messages need; messages of more than one frame are none of ours."""

    def __init__(self, person: Person) -> None:
        address = urlsplit(str(person.http.base_url))
        assert address.hostname
        self.wire = socket.create_connection((address.hostname, address.port or 80), timeout=SILENCE_S)
        self.stream = self.wire.makefile("rb")
        try:
            self._shake_hands(person, address.netloc)
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, person: Person, host: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        cookie = f"{settings.SESSION_COOKIE_NAME}={person.session}"
        lines = [
            "GET /ws/workspace/ HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            f"Cookie: {cookie}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        self.wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = self.stream.readline()
        while self.stream.readline() not in (b"\r\n", b""):
            pass
        if b" 101 " not in status:
            raise Closed(status)

    def say(self, message: dict[str, Any]) -> None:
        self._send(TEXT, json.dumps(message).encode())

    def _send(self, kind: int, content: bytes) -> None:
        assert len(content) < 126
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
        self.wire.sendall(bytes([0x80 | kind, 0x80 | len(content)]) + mask + masked)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the server says, until the socket is over."""
        while True:
            kind, content = self._frame()
            if kind == CLOSE:
                return
            if kind == PING:
                self._send(PONG, content)
            if kind == TEXT:
                yield json.loads(content)

    def _frame(self) -> tuple[int, bytes]:
        first, length = self._read(2)
        assert first & 0x80, "a message in more than one frame"
        if length >= 126:
            length = int.from_bytes(self._read(2 if length == 126 else 8), "big")
        return first & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        found = self.stream.read(count)
        if len(found) < count:
            raise Closed
        return found

    def cut(self) -> None:
        """End it from another thread: who reads is woken."""
        with contextlib.suppress(OSError):
            self.wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.stream.close()
        self.wire.close()


class Page(threading.Thread):
    """A Workspace that somebody has open and never reloads, whatever happens to the server."""

    def __init__(self, person: Person) -> None:
        super().__init__(daemon=True)
        self.person = person
        html = person.page("/")
        found = re.search(r'data-revision="(\d+)" data-cursor', html)
        assert found
        self.revision = int(found[1])
        self.stacks: dict[str, str] = {}
        self.is_live = threading.Event()
        self.closing = threading.Event()
        self.socket: Socket | None = None
        self.start()
        assert self.is_live.wait(CONVERGED_S), "the page's socket does not open"

    def run(self) -> None:
        tries = 0
        while not self.closing.is_set():
            with contextlib.suppress(OSError, Closed), contextlib.closing(Socket(self.person)) as self.socket:
                self.socket.say({"after": self.revision, "user": str(self.person.user.pk)})
                for message in self.socket.messages():
                    tries = 0
                    self._receive(message)
            self.closing.wait(random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**tries)))
            tries += 1

    def _receive(self, message: dict[str, Any]) -> None:
        assert message["type"] in ("changes", "progress", "heartbeat"), message
        if message["type"] == "changes":
            self.stacks |= {job["id"]: job["html"] for job in message["jobs"]}
            self.revision = max(self.revision, message["revision"])
            self.is_live.set()

    def shows(self, job_id: str) -> int:
        """How many results of the job it shows."""
        return self.stacks.get(job_id, "").count('data-phase="done"')

    def converges(self, jobs: dict[str, int], seconds: float = CONVERGED_S) -> None:
        """In time and without a reload it shows these jobs with all their results."""

        def all_of_them() -> bool:
            return all(self.shows(job_id) == slots for job_id, slots in jobs.items())

        eventually(all_of_them, f"the page shows {[self.shows(job) for job in jobs]} of {jobs}", seconds)

    def close(self) -> None:
        self.closing.set()
        if self.socket:
            self.socket.cut()
        self.join(LONGEST_WAIT_S)
