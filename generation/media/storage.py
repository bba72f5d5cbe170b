"""Storing and deleting media files, under names that the server chooses."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

import structlog
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction

log = structlog.get_logger("ourvidz.storage")
CHUNK_BYTES = 1024 * 1024
REFERENCES = "references-"


class StoredMedia(Protocol):
    """A row with a file and its thumbnail, perhaps also a small one."""

    @property
    def file(self) -> Any: ...

    @property
    def thumbnail(self) -> Any: ...


def sha256_and_size(content: BinaryIO) -> tuple[str, int]:
    """The content's SHA-256 in hex and its number of bytes."""
    content.seek(0)
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest(), content.tell()


def store(
    stem: str, content: BinaryIO, extension: str, thumbnail: bytes, *, small_thumbnail: bytes = b""
) -> list[str]:
    """Store a file, its thumbnail and its small one, if there is one; returns their names.

    `stem` must be unique.
    """
    thumbnails = {f"{stem}.thumb.webp": thumbnail, f"{stem}.small.webp": small_thumbnail}
    names = [f"{stem}.{extension}", *(name for name, picture in thumbnails.items() if picture)]
    content.seek(0)
    try:
        stored = [default_storage.save(names[0], File(content))]
        stored += [default_storage.save(name, ContentFile(thumbnails[name])) for name in names[1:]]
    except BaseException:
        delete_quietly(*names)
        raise
    return stored


def store_small_thumbnail(stem: str, content: bytes) -> str:
    """Store the small thumbnail of a file that has none yet; returns its name."""
    return default_storage.save(f"{stem}.small.webp", ContentFile(content))


def references_folder(owner_id: int) -> str:
    """The storage folder of this owner's references; a job's assets have one named by the job's id."""
    return f"{REFERENCES}{owner_id}"


def owner_of(folder: str) -> int | None:
    """The owner whose references are in this storage folder; None for another kind of folder."""
    number = folder.removeprefix(REFERENCES)
    return int(number) if number != folder and number.isascii() and number.isdecimal() else None


def file_names(row: StoredMedia) -> list[str]:
    """The names of the row's stored files."""
    files = (row.file, row.thumbnail, getattr(row, "small_thumbnail", None))
    return [file.name for file in files if file and file.name]


def delete(name: str) -> bool:
    """Whether the file is gone; one that is not is logged."""
    try:
        default_storage.delete(name)
    except Exception as error:  # noqa: BLE001 - whichever: the other files go
        log.warning("file.not_deleted", file=name, error=type(error).__name__)
        return False
    return True


def delete_empty_after_commit(folders: Sequence[str]) -> None:
    """Delete empty folders after the commit; others are ignored."""
    transaction.on_commit(lambda: delete_quietly(*folders), robust=True)


def delete_quietly(*names: str) -> None:
    """Delete files without a row; failures are ignored: `check_consistency` finds what remains."""
    for name in names:
        with contextlib.suppress(Exception):
            default_storage.delete(name)
