"""The web server as we run it, a real process, and a client that speaks to it over a plain socket."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.servers.process import free_port, running

MANAGE = Path(__file__).parents[2] / "manage.py"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection: requests go out as they are written here, answers are read one by one."""

    def __init__(self, port: int, *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def ask(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)

    def answer_status(self) -> int:
        version, status = self._file.readline(1024).split()[:2]
        assert version == b"HTTP/1.1"
        return int(status)

    def answer(self, *, to: str = "GET") -> Answer:
        """The next one; `to` is the method that it answers."""
        status = self.answer_status()
        headers: dict[str, str] = {}
        while line := self._file.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, self._body(to, status, headers))

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304):
            return b""
        if headers.get("transfer-encoding") != "chunked":
            length = headers.get("content-length")
            return self._file.read(int(length) if length else -1)
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            assert self._file.readline() == b"\r\n"
        assert self._file.readline() == b"\r\n"
        return body

    def ask_for_socket(self, path: str, *headers: str) -> None:
        host, port = self.socket.getpeername()
        key = base64.b64encode(bytes(16)).decode()
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        lines = [f"GET {path} HTTP/1.1", *upgrade, f"Sec-WebSocket-Key: {key}", f"Host: {host}:{port}"]
        lines += [f"Origin: http://{host}:{port}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def rest(self) -> bytes:
        """Whatever still comes until the server closes."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""


@dataclass
class WebProcess:
    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def wire(self, *, receive_buffer: int = 0) -> Wire:
        return Wire(self.port, receive_buffer=receive_buffer)

    def ask(self, path: str, *headers: str, method: str = "GET") -> Answer:
        """The answer on a connection of its own."""
        with self.wire() as wire:
            wire.ask(path, *headers, method=method)
            return wire.answer(to=method)

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        return self._status("VmRSS") * 1024

    @property
    def threads(self) -> int:
        return self._status("Threads")

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def settle(self, seconds: float = 30) -> None:
        """Wait until it has done what there was to do: it takes no CPU for half a second."""
        ends, used = time.monotonic() + seconds, -1
        while used != self._cpu_ticks and time.monotonic() < ends:
            used = self._cpu_ticks
            time.sleep(0.5)

    @property
    def _cpu_ticks(self) -> int:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name + ":")).split()[1])


SIGN_IN = """
from django.contrib.auth import get_user_model, SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""


def signed_in_session(folder: Path) -> str:
    """The key of a new user's session, in a database that is made for it."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)}
    command = [sys.executable, str(MANAGE), "shell", "--no-imports", "-c", SIGN_IN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


@contextlib.contextmanager
def web_process(folder: Path, *, prefix: str = "", **settings: str) -> Iterator[WebProcess]:
    """Served until the end of the block, with a data folder of its own; `prefix` runs the command."""
    port = free_port()
    (folder / "static").mkdir(parents=True, exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), "PORT": str(port), **settings}

    def is_ready() -> bool:
        try:
            with Wire(port) as wire:
                wire.ask("/healthz")
                return wire.answer().status == 200
        except (OSError, ValueError):
            return False

    command = [*prefix.split(), sys.executable, str(MANAGE), "serve"]
    with running(command, folder=folder, is_ready=is_ready, environment=environment) as process:
        yield WebProcess(process, port, folder)
