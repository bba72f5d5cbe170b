"""What `script/server` is asked to do, and whether it can."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

REPO = Path(__file__).resolve().parent.parent
sys.path.append(str(REPO))

from ourvidz.private_files import NotPrivate, make_private, of_data_dir  # noqa: E402


class CannotStartError(Exception):
    """Something the person who starts OurVidz can put right; the message is one line."""


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    workers: int
    data: Path
    log_bytes: int
    log_files: int

    @classmethod
    def from_environment(cls) -> Options:
        port = number("PORT", default=8000, highest=65535)
        host = os.environ.get("HOST") or "127.0.0.1"
        return cls(
            host=host,
            port=port or free_port(host),
            workers=number("WORKERS", default=1, highest=64),
            data=Path(os.environ.get("DATA_DIR") or REPO / "data").resolve(),
            log_bytes=number("LOG_FILE_BYTES", default=10_000_000, lowest=10_000, highest=10**12),
            log_files=number("LOG_FILES", default=5, highest=100),
        )

    @property
    def own_host(self) -> str:
        """How this machine reaches the web server, as it stands in a URL."""
        if self.host in {"0.0.0.0", "::"}:  # noqa: S104
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def address(self) -> str:
        return f"http://{self.own_host}:{self.port}"

    @property
    def logs(self) -> Path:
        return self.data / "logs"


def number(name: str, *, default: int, highest: int, lowest: int = 0) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not lowest <= int(text) <= highest:
        message = f"{name}={text} is not a number from {lowest} to {highest}"
        raise CannotStartError(message)
    return int(text)


def free_port(host: str) -> int:
    with socket.create_server((host, 0), family=family(host)) as server:
        return int(server.getsockname()[1])


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def check_port(options: Options) -> None:
    try:
        socket.create_server((options.host, options.port), family=family(options.host)).close()
    except PermissionError as error:
        message = f"port {options.port} needs more rights: choose one above 1023, for example PORT=8000"
        raise CannotStartError(message) from error
    except OSError as error:
        message = f"{options.host}:{options.port} cannot be used ({error.strerror}): change HOST= or PORT="
        if error.errno == errno.EADDRINUSE:
            message = f"port {options.port} is in use: choose another, for example PORT={options.port + 1}"
        raise CannotStartError(message) from error


def lock_data_folder(options: Options) -> IO[str]:
    """The open lock file: the lock is held until the process ends, however it ends."""
    try:
        # Prompts, sessions and pictures lie there: nobody else on this machine may look in.
        options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for change in make_private(of_data_dir(options.data)):
            print(f"OurVidz: {change}", file=sys.stderr)
        options.logs.mkdir(exist_ok=True)
        lock = (options.data / "server.lock").open("a+")
    except NotPrivate as error:
        raise CannotStartError(str(error)) from error
    except OSError as error:
        message = f"the data folder {options.data} is not writable ({error.strerror}): change DATA_DIR="
        raise CannotStartError(message) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        message = (
            f"OurVidz is already running on {options.data} ({lock.read().strip() or 'just starting'}): "
            "stop it first, or give this one its own DATA_DIR="
        )
        raise CannotStartError(message) from error
    return lock
