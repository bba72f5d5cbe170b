"""Deleting for good is sound against kill -9 between any two of its steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from generation.assets import file_deletions
from generation.changes import library_hours
from generation.changes.library_totals import counters_with_wrong_totals
from generation.maintenance import stored_files
from generation.media import storage
from generation.models import Asset, FileDeletion, Tombstone, Worker
from tests.acting import delete_now, discard
from tests.factories import complete, make_job
from tests.generation.killing import kill_at_each_step

PURGE = """
import uuid
from generation.assets.purging import delete_now

def act(target):
    owner_id, asset_id = target.split()
    delete_now(owner_id=int(owner_id), actor=SYSTEM, assets=[uuid.UUID(asset_id)])
"""


@pytest.mark.django_db(transaction=True)
def test_it_is_sound_after_kill_9_at_any_step(owner: User, worker: Worker, tmp_path: Path) -> None:
    """Pitfall 10: either everything is there still, or the row is gone, and its files are noted or gone."""
    results = [asset for _ in range(9) for asset in complete(make_job(owner, quantity=6), worker)]
    kept, purged = results[:6], results[6:]
    names = {asset.pk: storage.file_names(asset) for asset in results}
    discard(owner_id=owner.pk, assets=[asset.pk for asset in purged])

    steps = kill_at_each_step(PURGE, [f"{owner.pk} {asset.pk}" for asset in purged], tmp_path)
    assert steps > 20

    there = set(Asset.objects.values_list("pk", flat=True))
    noted = set(FileDeletion.objects.values_list("name", flat=True))
    states = set()
    for asset in purged:
        files = [name for name in names[asset.pk] if default_storage.exists(name)]
        if asset.pk in there:
            assert files == names[asset.pk]
        else:
            assert set(files) <= noted
            assert Tombstone.objects.filter(asset_id=asset.pk).exists()
        states.add((asset.pk in there, len(files)))
    assert states == {(True, 3), (False, 3), (False, 2), (False, 1), (False, 0)}

    FileDeletion.objects.update(due_at=timezone.now())
    file_deletions.delete_left()
    delete_now(owner_id=owner.pk, assets=[asset.pk for asset in purged])
    assert set(Asset.objects.all()) == set(kept)
    stored = {f"{folder}/{name}" for folder in _folders() for name in default_storage.listdir(folder)[1]}
    assert stored == {name for asset in kept for name in names[asset.pk]}
    assert not FileDeletion.objects.exists()
    assert not list(stored_files.rows_without_file())
    assert not counters_with_wrong_totals().exists()
    assert not library_hours.owners_with_wrong_hours()


def _folders() -> list[str]:
    return default_storage.listdir("")[0]


@pytest.mark.django_db(transaction=True)
def test_a_file_that_the_storage_does_not_delete_is_tried_again(owner: User, worker: Worker) -> None:
    [asset] = complete(make_job(owner, quantity=1), worker)
    discard(owner_id=owner.pk, assets=[asset.pk])
    path = Path(asset.file.path)
    path.unlink()
    path.mkdir()
    (path / "in its place").touch()  # so that it cannot be deleted

    delete_now(owner_id=owner.pk, assets=[asset.pk])
    [left] = FileDeletion.objects.all()
    assert left.name == asset.file.name
    assert file_deletions.delete_left() == 0  # it is not due
    FileDeletion.objects.update(due_at=timezone.now())
    assert file_deletions.delete_left() == 0
    assert FileDeletion.objects.get().due_at > timezone.now()

    (path / "in its place").unlink()
    FileDeletion.objects.update(due_at=timezone.now())
    assert file_deletions.delete_left() == 1
    assert not default_storage.exists(asset.file.name)
    assert not FileDeletion.objects.exists()
