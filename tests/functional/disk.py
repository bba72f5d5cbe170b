"""A real file system of a few megabytes for one web server; it ends with it, and needs no rights to mount."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.functional.programs import Program

MOUNT = 'mount -t tmpfs -o size="$1",mode=700 tmpfs "$2"; shift 2; exec setpriv --pdeathsig KILL "$@"'
CHUNK = bytes(4096)


def small_disk(folder: Path, size: str) -> list[str]:
    """What to put before a command, so that `folder` is a disk of this size to it alone."""
    return ["unshare", "--map-root-user", "--mount", "sh", "-ec", MOUNT, "sh", size, str(folder)]


def why_not(folder: Path) -> str:
    """Why there can be none on this machine; empty if there can."""
    if not all(shutil.which(tool) for tool in ("unshare", "setpriv")):
        return "there is no unshare and setpriv (of util-linux) here"
    tried = subprocess.run([*small_disk(folder, "1m"), "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


def as_seen_by(program: Program, folder: Path) -> Path:
    """The folder as the program has it."""
    return Path(f"/proc/{program.process.pid}/root{folder}")


@contextmanager
def filled(folder: Path, leaving: int = 0) -> Iterator[None]:
    """Take all of the disk but so many bytes."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            _write_until_full(file.fileno())
            file.truncate(max(0, file.tell() - leaving))
        yield
    finally:
        ballast.unlink()


def _write_until_full(file: int) -> None:
    try:
        while os.write(file, CHUNK):
            pass
    except OSError:
        return
