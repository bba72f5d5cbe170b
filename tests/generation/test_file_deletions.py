"""Whatever deletes rows with files leaves none of these behind, killed between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from generation.assets import file_deletions
from generation.media import storage
from generation.models import Asset, FileDeletion, Reference, Upload, Worker
from tests.factories import complete, lease_next, make_job, make_reference, make_user, upload
from tests.generation.killing import kill_at_each_step

LONG_AGO = timezone.now() - timedelta(days=4000)


def references(owner: User, _: Worker, count: int) -> list[Reference]:
    made = [make_reference(owner) for _ in range(count)]
    Reference.objects.update(used_at=LONG_AGO)
    return made


def uploads(owner: User, worker: Worker, count: int) -> list[Upload]:
    """Of a leased job each, which its worker never reported."""
    made = []
    for _ in range(count):
        make_job(owner, quantity=1)
        made.append(upload(lease_next(worker)))
    Upload.objects.update(created_at=LONG_AGO)
    return made


def assets(owner: User, worker: Worker, count: int) -> list[Asset]:
    return [asset for _ in range(count) for asset in complete(make_job(owner, quantity=1), worker)]


def owners_references(_: User, worker: Worker, count: int) -> list[Reference]:
    return [make_reference(make_user()) for _ in range(count)]


class Kind(NamedTuple):
    """Rows with files, more of them than steps, and what deletes one, or the one whose turn it is."""

    rows: Callable[[User, Worker, int], list[Any]]
    quantity: int
    act: str


KINDS = {
    "a reference image": Kind(
        references,
        30,
        """
from generation.assets.references import delete_reference
from generation.models import Reference

def act(target):
    owner_id = Reference.objects.get(pk=target).owner_id
    assert delete_reference(owner_id=owner_id, actor=SYSTEM, reference_id=target)
""",
    ),
    "a reference image that is not used": Kind(
        references,
        30,
        """
from generation.maintenance.cleanup import delete_old_references

def act(target):
    delete_old_references(limit=1)
""",
    ),
    "an upload that no callback named": Kind(
        uploads,
        30,
        """
from generation.maintenance.cleanup import delete_old_uploads

def act(target):
    delete_old_uploads(limit=1)
""",
    ),
    "a job with its results": Kind(
        assets,
        70,
        """
from generation.jobs.deletion import delete_jobs
from generation.models import Asset

def act(target):
    with transaction.atomic():
        delete_jobs([Asset.objects.get(pk=target).job_id])
""",
    ),
    "all that an owner has": Kind(
        owners_references,
        80,
        """
from generation.jobs.owner_deletion import delete_all_of
from generation.models import Reference

def act(target):
    for _ in delete_all_of(Reference.objects.get(pk=target).owner_id, actor=SYSTEM):
        pass
""",
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", KINDS)
def test_no_file_is_left_after_kill_9_at_any_step(
    owner: User, worker: Worker, tmp_path: Path, kind: str
) -> None:
    """Pitfall 10: either the row is there still with its files, or these are noted or gone."""
    rows = KINDS[kind].rows(owner, worker, KINDS[kind].quantity)
    names = {row.pk: storage.file_names(row) for row in rows}
    kill_at_each_step(KINDS[kind].act, [str(row.pk) for row in rows], tmp_path)

    there = set(type(rows[0])._default_manager.values_list("pk", flat=True))
    noted = set(FileDeletion.objects.values_list("name", flat=True))
    left = set()
    for pk, files in names.items():
        stored = [name for name in files if default_storage.exists(name)]
        if pk in there:
            assert stored == files
        else:
            assert set(stored) <= noted
            left.add(len(stored))
    assert left == set(range(len(names[rows[0].pk]) + 1))

    FileDeletion.objects.update(due_at=timezone.now())
    file_deletions.delete_left()
    folders = default_storage.listdir("")[0]
    stored = [f"{folder}/{name}" for folder in folders for name in default_storage.listdir(folder)[1]]
    assert sorted(stored) == sorted(name for pk in there for name in names[pk])
    assert not FileDeletion.objects.exists()
