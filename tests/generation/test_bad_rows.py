"""One bad row never stops the queue, nor the chores: it is set aside, and the next gets its turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from generation.catalog.submission import ReferenceInput
from generation.core import isolation
from generation.core.clock import from_now
from generation.jobs.lease import lease, promote, reap
from generation.maintenance import cleanup
from generation.models import (
    Asset,
    Attempt,
    Job,
    JobReference,
    OutboxEvent,
    OwnerCounter,
    Tombstone,
    Upload,
    Worker,
)
from ourvidz.management.commands.maintain import run_chores
from tests.acting import discard
from tests.factories import (
    call_back,
    complete,
    completed,
    fresh,
    lease_next,
    make_job,
    make_reference,
    make_user,
    upload,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BOTH = ("sdxl", "wan")
STYLE = ("sdxl_image_fast", "sdxl_image_fast+style")


def with_style(owner: User) -> Job:
    wanted = ReferenceInput(type="style", reference=make_reference(owner).pk)
    return make_job(owner, references=(wanted,))


def change(job: Job, **values: Any) -> None:
    Job.objects.filter(pk=job.pk).update(**values)


def without_attempts(job: Job) -> None:
    """As MAX_ATTEMPTS=0 made them."""
    change(job, attempts_left=0)


def with_a_running_attempt(job: Job) -> None:
    Attempt.objects.create(
        job=job, number=7, worker=Worker.objects.first(), lease_token=job.pk, leased_at=timezone.now()
    )


def with_its_next_attempt_recorded(job: Job) -> None:
    now = timezone.now()
    Attempt.objects.create(
        job=job,
        number=1,
        worker=Worker.objects.first(),
        lease_token=job.pk,
        leased_at=now,
        ended_at=now,
        outcome="expired",
    )


def with_a_list_for_parameters(job: Job) -> None:
    change(job, parameters=[1, 2])


def without_a_width(job: Job) -> None:
    change(job, parameters={name: value for name, value in job.parameters.items() if name != "width"})


def with_steps_in_words(job: Job) -> None:
    change(job, parameters=job.parameters | {"steps": "many"})


def with_a_negative_height(job: Job) -> None:
    change(job, parameters=job.parameters | {"height": -1})


def without_slots(job: Job) -> None:
    Asset.objects.filter(job=job).delete()


def of_a_type_that_there_was(job: Job) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE generation_job DROP CONSTRAINT job_type_known")
        else:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
    change(job, job_type="sdxl_image_slow")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def with_a_reference_that_was_removed(job: Job) -> None:
    JobReference.objects.filter(job=job).update(reference=None)


def with_a_reference_without_its_file(job: Job) -> None:
    default_storage.delete(JobReference.objects.get(job=job).reference.file.name)


def with_a_reference_without_its_row(job: Job) -> None:
    JobReference.objects.filter(job=job).delete()


DAMAGES = [
    (without_attempts, "unleasable"),
    (with_a_running_attempt, "unleasable"),
    (with_its_next_attempt_recorded, "unleasable"),
    (with_a_list_for_parameters, "bad_parameters"),
    (without_a_width, "bad_parameters"),
    (with_steps_in_words, "bad_parameters"),
    (with_a_negative_height, "bad_parameters"),
    (without_slots, "unleasable"),
    (of_a_type_that_there_was, "unknown_job_type"),
    (with_a_reference_that_was_removed, "reference_missing"),
    (with_a_reference_without_its_file, "reference_missing"),
    (with_a_reference_without_its_row, "reference_missing"),
]


def test_a_disk_that_is_away_is_not_the_jobs_fault(owner: User, worker: Worker) -> None:
    """Pitfall 45: while the media folder is not mounted, each waiting job with a reference would be ended."""
    job = with_style(owner)
    file = job.references.get().reference.file
    folder = Path(file.path).parent
    folder.rename(away := folder.with_name("away"))
    try:
        leased = lease(worker=worker, engines=BOTH, pools=STYLE)
    finally:
        away.rename(folder)
    assert leased == job
    assert fresh(job).status == "processing"


@pytest.mark.parametrize(("damage", "code"), DAMAGES, ids=lambda value: getattr(value, "__name__", value))
def test_the_next_job_is_handed_out_by_the_same_call(
    owner: User, worker: Worker, damage: Callable[[Job], None], code: str
) -> None:
    """Pitfall 45: every lease call answered 500, for whoever asked."""
    bad, good = with_style(owner), make_job(make_user())
    damage(bad)

    held = lease(worker=worker, engines=BOTH, pools=STYLE)

    assert held is not None
    assert held.pk == good.pk
    ended = fresh(bad)
    assert (ended.status, ended.error_code) == ("failed", code)
    assert ended.error_message
    assert {slot.error_code for slot in ended.slots} <= {code}
    assert {slot.status for slot in ended.slots} <= {"failed"}
    assert not Attempt.objects.filter(job=bad, ended_at=None).exists()
    assert OutboxEvent.objects.filter(job_id=bad.pk).count() == 1
    call_back(held, *[completed(held, asset.slot) for asset in held.slots])
    assert fresh(good).status == "completed"


def test_what_it_had_completed_stays(owner: User, worker: Worker) -> None:
    """Pitfall 45"""
    bad = make_job(owner, quantity=3)
    first = lease_next(worker)
    call_back(first, completed(first, 0), status="completed")
    change(bad, retry_at=None, attempts_left=0)
    assert lease(worker=worker, engines=BOTH) is None
    ended = fresh(bad)
    assert ended.status == "partial"
    assert [slot.status for slot in ended.slots] == ["completed", "failed", "failed"]


def test_many_bad_jobs_are_set_aside_in_one_call(owner: User, worker: Worker) -> None:
    """Pitfall 45"""
    for _ in range(12):
        without_attempts(make_job(owner))
    good = make_job(make_user(), job_type="image_fast")
    change(good, priority=-1)
    assert lease(worker=worker, engines=BOTH).pk == good.pk
    assert Job.objects.filter(status="failed").count() == 12


def test_one_that_cannot_even_be_ended_is_held_back(owner: User, worker: Worker) -> None:
    """Pitfall 45"""
    bad, good = make_job(owner), make_job(make_user())
    break_the_end_of(bad)
    without_attempts(bad)
    assert lease(worker=worker, engines=BOTH).pk == good.pk
    assert fresh(bad).status == "queued"
    assert fresh(bad).retry_at > timezone.now() + timedelta(minutes=9)


def test_a_lease_that_cannot_be_ended_leaves_the_others(owner: User, worker: Worker) -> None:
    """Pitfall 45: the reaper runs within lease calls, so that a bad row of its stopped the queue too."""
    bad, good = make_job(owner), make_job(make_user())
    for _ in (bad, good):
        lease_next(worker)
    break_the_end_of(bad)
    change(bad, lease_expires_at=from_now(-20), attempts_left=0)
    change(good, lease_expires_at=from_now(-10))
    assert lease(worker=worker, engines=BOTH) is None  # the good one waits for its retry
    assert (fresh(bad).status, fresh(good).status) == ("processing", "queued")
    assert fresh(bad).lease_expires_at > timezone.now()
    assert reap() == 0


def break_the_end_of(job: Job, *, changing: int = 1) -> None:
    """The event of its end is there, with the revision that an end which changes so many slots would take."""
    revision = OwnerCounter.objects.get(pk=job.owner_id).revision + changing + 1
    OutboxEvent.objects.create(
        kind="job.ended",
        owner_id=job.owner_id,
        revision=revision,
        job_id=job.pk,
        payload={},
        created_at=timezone.now(),
    )


def test_a_consistency_check_fixes_the_others(owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    """Pitfall 45"""
    bad, good = make_job(owner), make_job(make_user())
    Asset.objects.update(status="cancelled")
    break_the_end_of(bad, changing=0)
    with pytest.raises(SystemExit):
        call_command("check_consistency", "--fix", "--skip-files")
    assert "queued_jobs_without_open_slots: 2" in (printed := capsys.readouterr().out)
    assert "fixed 1, left 1" in printed
    assert (fresh(bad).status, fresh(good).status) == ("queued", "failed")


def test_delayed_retries_are_promoted_beside_a_bad_one(owner: User) -> None:
    jobs = [make_job(owner) for _ in range(5)]
    Job.objects.update(retry_at=from_now(-1))
    assert promote() == 5
    assert not Job.objects.exclude(retry_at=None).exists()
    assert len(jobs) == 5


@pytest.mark.parametrize("bad", [set(), {3}, {0, 1}, {0, 4, 7}, set(range(8))], ids=str)
def test_a_batch_is_done_but_for_what_is_at_fault(bad: set[int]) -> None:
    """Pitfall 45"""
    done: list[int] = []

    def act(numbers: Any) -> int:
        if bad & set(numbers):
            raise ValueError(numbers)
        done.extend(numbers)
        return len(numbers)

    assert isolation.in_batch(list(range(8)), act) == 8 - len(bad)
    assert sorted(done) == sorted(set(range(8)) - bad)


def discarded(owner: User, worker: Worker, quantity: int = 1) -> list[Asset]:
    """Assets that were in the trash for long."""
    assets = complete(make_job(owner, quantity=quantity), worker)
    discard(owner_id=owner.pk, assets=[asset.pk for asset in assets])
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(trashed_at=LONG_AGO)
    return assets


def test_the_trash_is_purged_beside_a_bad_asset(owner: User, worker: Worker) -> None:
    """Pitfall 45: its tombstone is there already, so that nobody's trash was emptied any more."""
    bad, *good = discarded(owner, worker, quantity=3)
    others = discarded(make_user(), worker)
    Tombstone.objects.create(
        asset_id=bad.pk, owner=owner, job_id=bad.job_id, media="image", purged_at=timezone.now(), revision=1
    )
    assert cleanup.purge_trash() == len(good) + len(others)
    assert list(Asset.objects.values_list("pk", flat=True)) == [bad.pk]


def test_tombstones_of_others_go_beside_those_of_a_bad_owner(owner: User, worker: Worker) -> None:
    """Pitfall 45: an owner without a counter, as a restore of single tables leaves it."""
    other = make_user()
    for of in (owner, other):
        discarded(of, worker)
    cleanup.purge_trash()
    Tombstone.objects.update(purged_at=LONG_AGO)
    OwnerCounter.objects.filter(pk=owner.pk).delete()
    assert cleanup.delete_old_tombstones() == 1
    assert list(Tombstone.objects.values_list("owner_id", flat=True)) == [owner.pk]


def test_files_go_beside_one_that_cannot(
    owner: User, worker: Worker, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    """Pitfall 45: what followed it in the list stayed on the disk."""
    job = make_job(owner, quantity=3)
    held = lease_next(worker)
    uploads = [upload(held, slot) for slot in range(3)]
    files = [row.file.name for row in uploads]
    Upload.objects.update(created_at=LONG_AGO)
    Upload.objects.filter(pk=uploads[0].pk).update(file="../outside.png")
    with django_capture_on_commit_callbacks(execute=True):
        assert cleanup.delete_old_uploads() == 3
    assert [default_storage.exists(name) for name in files] == [True, False, False]
    assert fresh(job).status == "processing"


def test_a_chore_that_fails_leaves_the_others() -> None:
    """Pitfall 45"""

    def fails() -> int:
        raise ValueError("a row that nobody expected")

    assert run_chores({"first": fails, "second": lambda: 3}) == {"second": 3}


def test_a_database_that_is_away_ends_the_round() -> None:
    """Else each chore would wait for it in turn."""

    def fails() -> int:
        raise OperationalError("the connection is closed")

    with pytest.raises(OperationalError):
        run_chores({"first": fails, "second": lambda: 3})
