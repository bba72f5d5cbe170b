"""The sums of an owner's Library always equal its rows."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from generation.changes.library_hours import hour_of, newest_first, owners_with_wrong_hours
from generation.changes.library_hours import recount as recount_hours
from generation.changes.library_totals import (
    LibraryTotals,
    counters_with_wrong_totals,
    library_totals,
    recount,
)
from generation.maintenance import cleanup
from generation.migrations import _library_hours
from generation.models import Asset, Image, Job, LibraryHour, OwnerCounter, Video, Worker
from tests import acting
from tests.acting import cancel, retry
from tests.factories import (
    call_back,
    complete,
    completed,
    failed,
    lease_next,
    make_job,
    make_user,
    make_worker,
)

JOB_TYPES = ("sdxl_image_fast", "image_fast", "video_fast")


def counted(owner: User) -> LibraryTotals:
    """From the rows, one by one."""
    images = [row for row in Image.objects.of(owner.pk) if row.saved_at and not row.trashed_at]
    videos = [row for row in Video.objects.of(owner.pk) if row.saved_at and not row.trashed_at]
    stored = [row.byte_size for row in Asset.objects.of(owner.pk) if row.status == "completed"]
    library = sum(row.byte_size or 0 for row in (*images, *videos))
    return LibraryTotals(len(images), len(videos), library, sum(stored))


class Studio:
    """Two owners and what may happen to their assets, chosen by `choose`."""

    def __init__(self, choose: random.Random, worker: Worker) -> None:
        self.choose = choose
        self.worker = worker
        self.owners = [make_user(), make_user()]

    def step(self) -> None:
        act = self.choose.choice([self.finish, self.finish, self.cut_short, self.move, self.move, self.purge])
        act()

    def submit(self) -> None:
        job_type = self.choose.choice(JOB_TYPES)
        quantity = self.choose.choice([1, 3]) if job_type == "sdxl_image_fast" else 1
        make_job(
            self.choose.choice(self.owners), job_type, quantity=quantity, review=self.choose.random() < 0.4
        )

    def finish(self) -> None:
        self.submit()
        leased = lease_next(self.worker)
        for slot in leased.slots:
            ends = completed if self.choose.random() < 0.8 else failed
            call_back(leased, ends(leased, slot.slot), status="processing")
        call_back(leased)

    def cut_short(self) -> None:
        """One result, perhaps, and then the owner's or the worker's end; perhaps once more."""
        self.submit()
        leased = lease_next(self.worker)
        call_back(leased, completed(leased, 0), status="processing")
        cancel(owner_id=leased.owner_id, job_id=leased.pk)
        if Job.objects.get(pk=leased.pk).can_retry:
            retry(owner_id=leased.owner_id, job_id=leased.pk)
            again = lease_next(self.worker)
            call_back(again, *[completed(again, slot.slot) for slot in again.open_slots])

    def move(self) -> None:
        owner = self.choose.choice(self.owners)
        mine = Asset.objects.of(owner.pk).order_by("pk").values_list("pk", flat=True)
        some = [pk for pk in mine if self.choose.random() < 0.5]
        for act in self.choose.choices([acting.save, acting.discard, acting.restore], k=2):
            act(owner_id=owner.pk, assets=some)

    def purge(self) -> None:
        cleanup.purge_trash()


@pytest.mark.parametrize("seed", range(6))
def test_the_sums_equal_the_rows_whatever_happens(seed: int, worker: Worker, settings: LazySettings) -> None:
    settings.TRASH_DAYS = 0
    studio = Studio(random.Random(seed), worker)
    for number in range(12):
        studio.step()
        assert not counters_with_wrong_totals().exists(), f"after step {number}"
        assert owners_with_wrong_hours() == [], f"after step {number}"
        for owner in studio.owners:
            assert library_totals(owner.pk) == counted(owner), f"after step {number}"
    assert any(library_totals(owner.pk).bytes for owner in studio.owners), "or this showed nothing"


def test_a_wrong_sum_is_found_and_counted_again(owner: User) -> None:
    complete(make_job(owner))
    complete(make_job(make_user()))
    for column in ("library_images", "library_videos", "library_bytes", "stored_bytes"):
        OwnerCounter.objects.filter(pk=owner.pk).update(**{column: 7})
        assert list(counters_with_wrong_totals()) == [OwnerCounter.objects.get(pk=owner.pk)]
        recount(owner.pk)
        assert library_totals(owner.pk) == counted(owner)


def test_a_wrong_hour_is_found_and_counted_again(owner: User) -> None:
    complete(make_job(owner))
    complete(make_job(make_user()))
    [right] = newest_first(owner.pk)
    saved = Asset.objects.of(owner.pk)[0].saved_at
    assert right == (hour_of(saved), Asset.objects.of(owner.pk).count())
    for wrong in ({"count": 7}, {"hour": right[0] - timedelta(hours=1)}):
        LibraryHour.objects.filter(owner=owner).update(**wrong)
        assert owners_with_wrong_hours() == [owner.pk]
        recount_hours(owner.pk)
        assert newest_first(owner.pk) == [right]


def test_an_owner_without_a_change_has_nothing(owner: User) -> None:
    assert library_totals(owner.pk) == LibraryTotals()


@pytest.mark.django_db(transaction=True)
def test_the_migration_counts_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_library_hours, "LAST", _library_hours.LAST.replace("OFFSET 20000", "OFFSET 1"))
    owner, worker = make_user(), make_worker()
    complete(make_job(owner, quantity=3), worker)
    (video,) = complete(make_job(owner, "video_fast"), worker)
    complete(make_job(owner, review=True), worker)
    (discarded,) = complete(make_job(owner), worker)
    acting.discard(owner_id=owner.pk, assets=[discarded.pk])
    make_job(make_user())
    migration = import_module("generation.migrations.0013_library_totals").Migration

    hours = _spread_over_hours(owner)
    _migrate(migration.dependencies)
    _migrate([("generation", "0013_library_totals")])
    _migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())

    assert not counters_with_wrong_totals().exists()
    assert library_totals(owner.pk) == counted(owner)
    assert library_totals(owner.pk).videos == 1
    assert library_totals(owner.pk).images == 3
    assert video.byte_size
    assert newest_first(owner.pk) == hours
    assert owners_with_wrong_hours() == []


def _spread_over_hours(owner: User) -> list[tuple[datetime, int]]:
    """Give each of the owner's an hour of its own, or share it with one other; the hours."""
    for number, row in enumerate(Asset.objects.of(owner.pk).in_library().order_by("pk")):
        Asset.objects.filter(pk=row.pk).update(saved_at=row.saved_at - timedelta(hours=number // 2))
    for other in (owner.pk, *owners_with_wrong_hours()):
        recount_hours(other)
    return newest_first(owner.pk)


def _migrate(targets: list[tuple[str, str]]) -> None:
    MigrationExecutor(connection).migrate(targets)
