"""The spool: results stay on disk until the server has them, through an outage and a restart."""

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
from ourvidz_worker.protocol import Job, url_safe

LOCK = "lock"
IN_HAND = "in-hand"  # names the lease of the job that runs
RETENTION_S = 7 * 24 * 3600.0  # every lease has expired long before


@dataclass(frozen=True, slots=True)
class SpooledResult:
    """A finished slot of a job that was leased with `lease_token`; `asset` is its entry in the callback.

    The field names are those of the description file: results of older versions are read by them.
    """

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

    def delete(self) -> None:
        _delete(self.path)


@dataclass(frozen=True, slots=True)
class AbandonedLease:
    """The lease of a job that a process held when it was killed."""

    id: str
    lease_token: str


class Spool:
    """Has a folder for each process and token under `root`, locked while its process lives.

    A worker delivers only what was spooled with its own token: another's results belong to another's leases.
    Results that are not delivered are deleted after `RETENTION_S`.

    Files are not synced: a kill -9 loses nothing, a power cut may lose the last seconds, and then the
    server has the slot made again.
    """

    def __init__(self, root: Path, server: str, token: str) -> None:
        """Raises OSError when the folder cannot be written."""
        _delete_expired(root)
        owner = hashlib.sha256(f"{_normalized(server)}\n{token}".encode()).hexdigest()[:16]
        self._root = root / owner
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._lock = _create_folder(self._root)

    def close(self) -> None:
        """Results that are not delivered stay for the next start."""
        _close_folder(self._folder, self._lock)

    def keep(self, job: Job, slot: int, content_type: str, asset: dict[str, Any], media: bytes) -> Path:
        """Returns the media file's path. Atomic: the description is written last. Raises OSError."""
        path = self._path(job.id, slot)
        description = {
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
            _write(path, json.dumps(description).encode())
        except OSError:  # a full disk must not stay full of incomplete results
            _delete(path)
            raise
        return file

    def delete(self, job: Job, *slots: int) -> None:
        for slot in slots:
            _delete(self._path(job.id, slot))

    def note_lease(self, job: Job) -> None:
        """Notes which job runs. Without the note, on a full disk, its lease would run out after a kill."""
        try:
            _write(
                self._folder / IN_HAND, json.dumps({"id": job.id, "lease_token": job.lease_token}).encode()
            )
        except OSError as error:
            log.event("spool_failed", job_id=job.id, reason=error.strerror)

    def forget_lease(self) -> None:
        with suppress(OSError):
            (self._folder / IN_HAND).unlink()

    def abandoned(self) -> Iterator[AbandonedLease]:
        """The leases of processes that were killed; each is forgotten once its turn has passed without error.

        The lock of its folder proves that such a process has ended.
        """
        for folder, lock in self._folders_of_the_dead():
            try:
                if lease := _lease_in(folder):
                    yield lease
                with suppress(OSError):
                    (folder / IN_HAND).unlink()
            finally:
                _close_folder(folder, lock)

    def undelivered(self) -> Iterator[SpooledResult]:
        """The results of this process, for use between its jobs, and of processes that have ended."""
        yield from _results_in(self._folder)
        for folder, lock in self._folders_of_the_dead():
            try:
                yield from _results_in(folder)
            finally:
                _close_folder(folder, lock)

    def _folders_of_the_dead(self) -> Iterator[tuple[Path, int]]:
        """Each with its lock, which the caller frees."""
        for folder in sorted(self._root.glob("run-*")):
            if folder != self._folder and (lock := _try_lock(folder)) is not None:
                yield folder, lock

    def _path(self, job_id: str, slot: int) -> Path:
        name = hashlib.sha256(job_id.encode()).hexdigest()[:24]
        return self._folder / f"{name}-{slot}.json"


def _normalized(server: str) -> str:
    """The server's address in one spelling: lower-case host, no slash at the end."""
    parts = urlsplit(server)
    return parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/")).geturl()


def _create_folder(root: Path) -> tuple[Path, int | None]:
    """A new folder and its lock; named only once it is locked: else another process could take it over."""
    hidden = Path(tempfile.mkdtemp(prefix="new-", dir=root))
    lock = _try_lock(hidden)
    return hidden.rename(root / f"run-{hidden.name.removeprefix('new-')}"), lock


def _close_folder(folder: Path, lock: int | None) -> None:
    """Unlocks a folder; an empty one is deleted first, so that no other process can take it over."""
    if not list(folder.glob("*.json")) and not (folder / IN_HAND).exists():
        shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _lease_in(folder: Path) -> AbandonedLease | None:
    try:
        note = json.loads((folder / IN_HAND).read_bytes())
        return AbandonedLease(url_safe(note["id"]), url_safe(note["lease_token"]))
    except FileNotFoundError:
        return None
    except (KeyError, OSError, TypeError, ValueError):  # the power went
        log.event("noted_lease_unusable", folder=folder.name)
        return None


def _results_in(folder: Path) -> Iterator[SpooledResult]:
    for path in sorted(folder.glob("*.json")):
        try:
            description = json.loads(path.read_bytes())
            result = SpooledResult(**description, path=path)
            is_complete = result.media.stat().st_size == result.size and _is_sendable(description)
        except (AttributeError, OSError, TypeError, ValueError):
            is_complete = False
        if is_complete:
            yield result
        else:  # the power went, or an older version wrote it
            log.event("spooled_result_unusable", name=path.name)
            _delete(path)


def _is_sendable(description: Any) -> bool:
    """Whether a description can be sent as it is; may raise AttributeError, TypeError or ValueError."""
    url_safe(description["id"])
    url_safe(description["lease_token"])
    is_typed = isinstance(description["asset"], dict) and isinstance(description["slot"], int)
    return is_typed and bool(description["content_type"].isascii())


def _delete(path: Path) -> None:
    """Never fails: a file on a read-only disk is offered again at the next start, which is harmless."""
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


def _delete_expired(root: Path) -> None:
    """Deletes what processes that have ended left longer than `RETENTION_S` ago, with any token."""
    for folder in (*root.glob("*/run-*"), *root.glob("*/new-*")):
        try:
            changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        except OSError:  # another process has just deleted it, or it is no folder
            continue
        if time.time() - changed < RETENTION_S or (lock := _try_lock(folder)) is None:
            continue
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)
        log.event("spool_swept", folder=f"{folder.parent.name}/{folder.name}")
    for owner in root.glob("*"):
        with suppress(OSError):
            if time.time() - owner.stat().st_mtime > RETENTION_S:
                owner.rmdir()  # which only an empty one lets happen


def _try_lock(folder: Path) -> int | None:
    """The open lock of a folder; None while another process holds it. It is freed when its process ends."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # its process has just ended and deleted it
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / LOCK).stat()  # or it was deleted between the two
    except OSError:
        os.close(file)
        return None
    return file
