"""Comparing rows with stored files, while purges and deletions of accounts may go on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import timezone

from generation.maintenance import cleanup
from generation.media import storage
from generation.models import Asset, Reference, Upload

CHUNK = 200


def files_without_row() -> Iterator[str]:
    """The names of stored files over a day old that no row refers to."""
    for folder in _folders():
        _, files = _listed(folder)
        names = [f"{folder}/{name}" for name in sorted(files)]
        known = _named(folder)
        yield from (name for name in names if name not in known and _is_old(name))


def _folders() -> list[str]:
    folders, _ = _listed("")
    return sorted(folders)


def _listed(folder: str) -> tuple[list[str], list[str]]:
    """The folders and the files in it; none where it is not there, or not any more."""
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def delete_file_without_row(name: str) -> None:
    if name not in _named(name.partition("/")[0]):
        default_storage.delete(name)


def _is_old(name: str) -> bool:
    """Whether a file without a row is an orphan: the row of a younger one may still be on its way."""
    try:
        stored: datetime = default_storage.get_modified_time(name)
    except FileNotFoundError:
        return False  # it was deleted meanwhile
    return stored < timezone.now() - timedelta(hours=cleanup.ORPHAN_AGE_HOURS)


def _named(folder: str) -> set[str]:
    """The file names in this folder that rows refer to; a folder is of a job or of an owner's references."""
    owner_id = storage.owner_of(folder)
    if owner_id is not None:
        rows: list[QuerySet[Any]] = [Reference.objects.of(owner_id)]
    else:
        try:
            uuid.UUID(folder)
        except ValueError:
            return set()
        rows = [model.objects.filter(job_id=folder) for model in (Asset, Upload)]
    return {name for some in rows for row in some for name in storage.file_names(row)}


def rows_without_file() -> Iterator[Asset | Reference]:
    """Completed assets and reference images whose file or thumbnail the storage does not have."""
    kept: list[QuerySet[Any]] = [Asset.objects.completed(), Reference.objects.all()]
    for rows in kept:
        for row in rows.order_by("id").iterator(chunk_size=CHUNK):
            if not _has_files(row) and rows.filter(pk=row.pk).exists():  # not purged meanwhile
                yield row


def _has_files(row: Asset | Reference) -> bool:
    return all(default_storage.exists(name) for name in storage.file_names(row))
