"""Results on disk until the server has them: they outlive an outage and a restart."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ourvidz_worker import log
from ourvidz_worker.protocol import Job, word

LOCK = "lock"
KEPT_S = 7 * 24 * 3600.0  # by then every lease is long over


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished slot of a job that was leased under `lease_token`; `asset` is its entry for the callback."""

    id: str
    lease_token: str
    slot: int
    content_type: str
    asset: dict[str, Any]
    size: int
    path: Path

    @property
    def media(self) -> Path:
        return self.path.with_suffix(".bin")

    def drop(self) -> None:
        _drop(self.path)


class Spool:
    """A folder for each process and token under `root`, locked while its process lives.

    Only what this very worker left behind is its business: another's results have another's leases.
    What nobody has come back for is removed after `KEPT_S`.

    Nothing is forced onto the disk: a kill -9 loses nothing, a power cut may lose the last seconds, and
    then the server has the slot made again.
    """

    def __init__(self, root: Path, server: str, token: str) -> None:
        """Raises OSError when the folder cannot be written."""
        _sweep(root)
        owner = hashlib.sha256(f"{_same(server)}\n{token}".encode()).hexdigest()[:16]
        self._root = root / owner
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._lock = _opened(self._root)

    def close(self) -> None:
        """What is still kept stays for the next start."""
        _leave(self._folder, self._lock)

    def keep(self, job: Job, slot: int, content_type: str, asset: dict[str, Any], media: bytes) -> Path:
        """Where the bytes lie. Whole or not at all: the description is written last. Raises OSError."""
        path = self._path(job.id, slot)
        told = {
            "id": job.id,
            "lease_token": job.lease_token,
            "slot": slot,
            "content_type": content_type,
            "asset": asset,
            "size": len(media),
        }
        file = path.with_suffix(".bin")
        try:
            _write(file, media)
            _write(path, json.dumps(told).encode())
        except OSError:  # a full disk must not stay full of halves
            _drop(path)
            raise
        return file

    def drop(self, job: Job, *slots: int) -> None:
        for slot in slots:
            _drop(self._path(job.id, slot))

    def left(self) -> Iterator[Kept]:
        """What no session is at work on: of this process between its jobs, and of those that are gone."""
        yield from _kept(self._folder)
        for folder in sorted(self._root.glob("run-*")):
            if folder == self._folder:
                continue
            lock = _locked(folder)
            if lock is None:
                continue
            try:
                yield from _kept(folder)
            finally:
                _leave(folder, lock)

    def _path(self, job_id: str, slot: int) -> Path:
        name = hashlib.sha256(job_id.encode()).hexdigest()[:24]
        return self._folder / f"{name}-{slot}.json"


def _same(server: str) -> str:
    """However its address is spelled."""
    parts = urlsplit(server)
    return parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/")).geturl()


def _opened(root: Path) -> tuple[Path, int | None]:
    """A folder of our own and its lock; nobody sees it before it is locked, or would take it for left."""
    unseen = Path(tempfile.mkdtemp(prefix="new-", dir=root))
    lock = _locked(unseen)
    return unseen.rename(root / f"run-{unseen.name.removeprefix('new-')}"), lock


def _leave(folder: Path, lock: int | None) -> None:
    """An empty one is taken away before anybody else can have it."""
    if not list(folder.glob("*.json")):
        shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _kept(folder: Path) -> Iterator[Kept]:
    for path in sorted(folder.glob("*.json")):
        try:
            told = json.loads(path.read_bytes())
            kept = Kept(**told, path=path)
            is_whole = kept.media.stat().st_size == kept.size and _can_be_sent(told)
        except (AttributeError, OSError, TypeError, ValueError):
            is_whole = False
        if is_whole:
            yield kept
        else:  # the power went, or an older version wrote it
            log.event("spooled_result_unusable", name=path.name)
            _drop(path)


def _can_be_sent(told: Any) -> bool:
    """Whether a description names only what servers name; may raise where it does not."""
    word(told["id"])
    word(told["lease_token"])
    is_typed = isinstance(told["asset"], dict) and isinstance(told["slot"], int)
    return is_typed and bool(told["content_type"].isascii())


def _drop(path: Path) -> None:
    """Never fails: what a read-only disk keeps, the next start offers to a server that has it."""
    for file in (path, path.with_suffix(".bin")):
        with suppress(OSError):
            file.unlink()


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _sweep(root: Path) -> None:
    """Removes what processes that are gone left long ago, whoever's it was."""
    for folder in (*root.glob("*/run-*"), *root.glob("*/new-*")):
        try:
            changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:  # another process has just taken it away, or it is none of ours
            continue
        if time.time() - changed < KEPT_S or (lock := _locked(folder)) is None:
            continue
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)
        log.event("spool_swept", folder=f"{folder.parent.name}/{folder.name}")
    for owner in root.glob("*"):
        with suppress(OSError):
            if time.time() - owner.stat().st_mtime > KEPT_S:
                owner.rmdir()  # which only an empty one lets happen


def _locked(folder: Path) -> int | None:
    """The open lock of a folder; None while another process has it. The system frees it with the process."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # its process has just ended and taken it away
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / LOCK).stat()  # or it was taken away between the two
    except OSError:
        os.close(file)
        return None
    return file
