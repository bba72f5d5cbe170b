"""What `script/server` is asked to do, and whether it can."""

from __future__ import annotations

import errno
import fcntl
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

REPO = Path(__file__).resolve().parent.parent
sys.path.append(str(REPO))

from ourvidz.declarations import values_given  # noqa: E402
from ourvidz.environment import InvalidSetting  # noqa: E402
from ourvidz.private_files import NotPrivate, make_private, of_data_dir  # noqa: E402
from ourvidz.site_address import site_address  # noqa: E402

NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN)


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
    https: bool
    site: str  # where people open it behind HTTPS, if the settings say so

    @classmethod
    def from_environment(cls) -> Options:
        try:
            given = values_given()
        except InvalidSetting as error:
            raise CannotStartError(str(error)) from error
        host = given["HOST"]
        return cls(
            host=host,
            port=given["PORT"] or free_port(host),
            workers=given["WORKERS"],
            data=Path(given["DATA_DIR"]).resolve(),
            log_bytes=given["LOG_FILE_BYTES"],
            log_files=given["LOG_FILES"],
            https=given["HTTPS"],
            site=site_address(given["ALLOWED_HOSTS"], https=given["HTTPS"]),
        )

    @property
    def listens_everywhere(self) -> bool:
        return self.host in {"0.0.0.0", "::"}  # noqa: S104

    @property
    def own_host(self) -> str:
        """How this machine reaches the web server, as it stands in a URL."""
        if self.listens_everywhere:
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def address(self) -> str:
        return f"http://{self.own_host}:{self.port}"

    @property
    def logs(self) -> Path:
        return self.data / "logs"


def free_port(host: str) -> int:
    try:
        with socket.create_server((host, 0), family=family(host)) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        message = f"HOST={host} is no address of this machine: change it, or leave it out"
        raise CannotStartError(message) from error


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
        if error.errno in NO_SUCH_ADDRESS:
            message = f"HOST={options.host} is no address of this machine: change it, or leave it out"
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
