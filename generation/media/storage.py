"""Files on their way into and out of the storage, under names that nobody else chose."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction

CHUNK_BYTES = 1024 * 1024
REFERENCES = "references-"


class StoredMedia(Protocol):
    """A row with a file and its thumbnail."""

    @property
    def file(self) -> Any: ...

    @property
    def thumbnail(self) -> Any: ...


def sha256_and_size(content: BinaryIO) -> tuple[str, int]:
    """SHA-256 in hex, and the number of bytes."""
    content.seek(0)
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest(), content.tell()


def store(stem: str, content: BinaryIO, extension: str, thumbnail: bytes) -> tuple[str, str]:
    """Keep a file and its thumbnail; their names. `stem` is one of ours, never used before."""
    names = f"{stem}.{extension}", f"{stem}.thumb.webp"
    content.seek(0)
    try:
        return (
            default_storage.save(names[0], File(content)),
            default_storage.save(names[1], ContentFile(thumbnail)),
        )
    except BaseException:
        delete_quietly(*names)
        raise


def references_folder(owner_id: int) -> str:
    """The folder of the storage with this owner's references; a job's assets lie in one named by its id."""
    return f"{REFERENCES}{owner_id}"


def owner_of(folder: str) -> int | None:
    """Whose references lie in this folder of the storage; None when it is another kind of folder."""
    number = folder.removeprefix(REFERENCES)
    return int(number) if number != folder and number.isascii() and number.isdecimal() else None


def file_names(row: StoredMedia) -> list[str]:
    """The stored files that the row names."""
    return [file.name for file in (row.file, row.thumbnail) if file.name]


def delete_after_commit(names: Sequence[str]) -> None:
    """Remove files once no row names them any more; a rollback keeps them."""

    def delete() -> None:
        for name in names:
            default_storage.delete(name)

    transaction.on_commit(delete, robust=True)


def delete_empty_after_commit(folders: Sequence[str]) -> None:
    """Remove folders that are empty then; one that is not, or is none, is left alone."""
    transaction.on_commit(lambda: delete_quietly(*folders), robust=True)


def delete_quietly(*names: str) -> None:
    """Remove files that no row names; those that cannot be removed now are left to the chores."""
    for name in names:
        with contextlib.suppress(Exception):
            default_storage.delete(name)
