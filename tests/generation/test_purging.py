"""Deleting for good is sound against kill -9 between any two of its steps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from generation.assets import file_deletions
from generation.changes import library_hours
from generation.changes.library_totals import counters_with_wrong_totals
from generation.maintenance import stored_files
from generation.media import storage
from generation.models import Asset, FileDeletion, Tombstone, Worker
from tests.acting import delete_now, discard
from tests.factories import complete, make_job
from tests.functional.programs import REPO
from tests.generation.test_operations import database_url

# Deletes one asset after another, each in a process of its own, which dies a step later than the one before.
PURGES = """
import os, signal, sys, uuid
import django
django.setup()
from django.core.files.storage import FileSystemStorage
from django.db import connection
from generation.assets.purging import delete_now
from generation.core.actors import SYSTEM

left = 0
def step():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def statement(execute, *given):
    step()
    done = execute(*given)
    step()
    return done

delete = FileSystemStorage.delete
def delete_file(self, name):
    step()
    delete(self, name)
    step()
FileSystemStorage.delete = delete_file

for left, asset_id in enumerate(sys.argv[2:]):
    if not os.fork():
        with connection.execute_wrapper(statement):
            delete_now(owner_id=int(sys.argv[1]), actor=SYSTEM, assets=[uuid.UUID(asset_id)])
        os._exit(0)
    _, status = os.wait()
    print("killed" if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_it_is_sound_after_kill_9_at_any_step(owner: User, worker: Worker, tmp_path: Path) -> None:
    """Pitfall 10: either everything is there still, or the row is gone, and its files are noted or gone."""
    results = [asset for _ in range(9) for asset in complete(make_job(owner, quantity=6), worker)]
    kept, purged = results[:6], results[6:]
    names = {asset.pk: storage.file_names(asset) for asset in results}
    discard(owner_id=owner.pk, assets=[asset.pk for asset in purged])

    program = [sys.executable, "-c", PURGES, str(owner.pk), *(str(asset.pk) for asset in purged)]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "ourvidz.settings",
        "DATABASE_URL": database_url(str(connection.settings_dict["NAME"])),
        "DATA_DIR": str(tmp_path),
    }
    ended = subprocess.run(program, cwd=REPO, env=environment, capture_output=True, text=True, check=True)
    outcomes = ended.stdout.split()
    steps = outcomes.index("0")
    assert outcomes == ["killed"] * steps + ["0"] * (len(purged) - steps)
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
