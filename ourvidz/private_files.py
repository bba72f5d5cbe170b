"""Rights on disk: what is in DATA_DIR is for the account that runs OurVidz alone.

Only the standard library: script/server uses it before anything is installed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

# For everything that the server, the chores, commands and bundled workers make.
UMASK = 0o077
# Media are not walked: there may be a million files, and nobody else gets past these.
IN_DATA_DIR = (
    "secret_key",
    "bundled_workers.json",
    "server.lock",
    "set-up.stamp",
    "logs",
    "media",
    "spool",
    "static",
)


class NotPrivate(Exception):
    """Rights that cannot be taken away; the message is one sentence."""


def of_data_dir(data: Path) -> Iterator[Path]:
    """The folder and what is directly in it; of the logs each file too."""
    yield data
    yield from (data / name for name in IN_DATA_DIR)
    yield from (data / "logs").glob("*.log*")


def of_sqlite(database: Path) -> Iterator[Path]:
    """A database's files: the log and its index hold the newest rows."""
    yield from (database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm", "-journal"))


def make_private(paths: Iterable[Path]) -> list[str]:
    """Take the rights of all other accounts from those of `paths` that exist; a sentence for each change.

    Raises:
        NotPrivate: at the first that stays open: it is somebody else's, or on a disk that is read-only or
            knows no rights.
    """
    changes = []
    for path in paths:
        before = _rights(path)
        if not before & UMASK:
            continue
        try:
            path.chmod(before & ~UMASK)
        except OSError as error:
            raise NotPrivate(_refusal(path, before, error.strerror)) from error
        if _rights(path) & UMASK:
            raise NotPrivate(_refusal(path, before, "this disk keeps no rights"))
        changes.append(f"{path} was open to other accounts ({before:o}); now it is not ({before & ~UMASK:o})")
    return changes


def _rights(path: Path) -> int:
    """0 for what is not there, and for a link, which has none of its own."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise NotPrivate(f"{path} cannot be examined ({error.strerror})") from error
    return 0 if stat.S_ISLNK(mode) else stat.S_IMODE(mode)


def _refusal(path: Path, rights: int, why: str | None) -> str:
    return (
        f"{path} is open to other accounts ({rights:o}) and that cannot be changed ({why}): "
        f"run chmod go= as its owner, or choose another DATA_DIR"
    )
