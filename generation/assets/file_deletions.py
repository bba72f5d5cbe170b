"""Deleting the files of rows that are gone, whatever breaks off in between: the only way that they go.

Their names are written in the transaction that deletes the rows, and go when the files have gone. Files that
never had a row go without: what was written of one that could not be stored whole (`storage.store`), and what
`check_consistency --fix` finds (`stored_files.delete_file_without_row`). So do empty folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from generation.media import storage
from generation.models import FileDeletion

SOON = timedelta(minutes=5)  # the process that deleted the rows deletes the files well before
AGAIN = timedelta(hours=1)


def delete_after_commit(names: Iterable[str]) -> None:
    """Delete stored files after the commit of the transaction that deletes their rows."""
    noted = _note(names)
    transaction.on_commit(lambda: _delete(noted), robust=True)


def delete_unrecorded(names: Iterable[str]) -> None:
    """Delete stored files whose rows were never written. To be called outside a transaction."""
    _delete(_note(names))


def delete_left(limit: int = 5_000) -> int:
    """Delete what a crash or an outage of the storage left; how many files went."""
    due = FileDeletion.objects.filter(due_at__lte=timezone.now()).order_by("due_at", "pk")
    return _delete(list(due[:limit]))


def _note(names: Iterable[str]) -> list[FileDeletion]:
    due_at = timezone.now() + SOON
    return FileDeletion.objects.bulk_create([FileDeletion(name=name, due_at=due_at) for name in names])


def _delete(noted: Sequence[FileDeletion]) -> int:
    """A file that is gone already, or that another process deletes at the same time, is deleted too."""
    gone = [deletion.pk for deletion in noted if storage.delete(deletion.name)]
    FileDeletion.objects.filter(pk__in=gone).delete()
    left = [deletion.pk for deletion in noted if deletion.pk not in set(gone)]
    FileDeletion.objects.filter(pk__in=left).update(due_at=timezone.now() + AGAIN)
    return len(gone)
