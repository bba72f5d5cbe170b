"""`manage.py check_consistency`: what it finds, what it mends, and that it leaves alone what is right."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from generation.changes import feed, library_totals
from generation.core.clock import from_now
from generation.jobs.previews import store_preview
from generation.maintenance import cleanup, consistency, stored_files
from generation.models import (
    Asset,
    Attempt,
    Job,
    LibraryHour,
    OwnerCounter,
    Preview,
    SearchEntry,
    Tombstone,
    Upload,
    Worker,
)
from tests.acting import cancel, discard
from tests.factories import call_back, complete, completed, failed, fresh, lease_next, make_job, png, upload

pytestmark = pytest.mark.django_db
LONG_AGO = time.time() - 2 * 24 * 3600


def check(*arguments: str) -> tuple[int, str]:
    """The exit status and what was printed."""
    out = io.StringIO()
    try:
        call_command("check_consistency", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def partial(owner: User, worker: Worker) -> Job:
    """Two slots completed, one failed."""
    make_job(owner, quantity=3)
    job = lease_next(worker)
    call_back(job, completed(job, 0), completed(job, 1), failed(job, 2))
    return fresh(job)


def leave_a_slot_queued(job: Job) -> str:
    Asset.objects.filter(job=job, image_index=2).update(status="queued", error_code="", error_message="")
    return str(job.pk)


def call_it_completed(job: Job) -> str:
    Job.objects.filter(pk=job.pk).update(status="completed")
    return str(job.pk)


def queue_it_with_nothing_to_make(job: Job) -> str:
    Job.objects.filter(pk=job.pk).update(status="queued", finished_at=None, attempts_left=1)
    return str(job.pk)


def leave_its_attempt_running(job: Job) -> str:
    attempt = Attempt.objects.get(job=job)
    Attempt.objects.filter(pk=attempt.pk).update(ended_at=None, outcome="running")
    return str(attempt.pk)


def set_its_owners_counter_back(job: Job) -> str:
    OwnerCounter.objects.filter(pk=job.owner_id).update(revision=F("revision") - 1)
    return str(job.owner_id)


def leave_a_preview(job: Job) -> str:
    kept = {"lease_token": job.lease_token, "picture": b"x", "version": "1", "stored_at": from_now(-3600)}
    return str(Preview.objects.create(job=job, slot=0, **kept).pk)


def leave_a_file(job: Job) -> str:
    name = default_storage.save(f"{job.pk}/left.png", ContentFile(png()))
    os.utime(default_storage.path(name), (LONG_AGO, LONG_AGO))
    return name


def count_the_library_wrongly(job: Job) -> str:
    OwnerCounter.objects.filter(pk=job.owner_id).update(library_images=7)
    return str(job.owner_id)


def count_an_hour_wrongly(job: Job) -> str:
    LibraryHour.objects.filter(owner_id=job.owner_id).update(count=7)
    return str(job.owner_id)


def purge(job: Job, number: int) -> None:
    """Its first results, long after they were discarded."""
    discard(owner_id=job.owner_id, assets=[slot.pk for slot in job.slots[:number]])
    Asset.objects.in_trash().update(trashed_at=from_now(-31 * 24 * 3600))
    assert cleanup.purge_trash() == number


def leave_a_result_out_of_the_index(job: Job) -> str:
    entry = SearchEntry.objects.filter(asset__job=job)[0]
    entry.delete()
    return str(entry.asset_id)


def put_a_result_elsewhere_in_the_index(job: Job) -> str:
    entry = SearchEntry.objects.filter(asset__job=job)[0]
    SearchEntry.objects.filter(pk=entry.pk).update(saved_at=None)
    return str(entry.pk)


FAULTS: dict[str, Callable[[Job], str]] = {
    "ended_jobs_with_queued_slots": leave_a_slot_queued,
    "jobs_with_wrong_status": call_it_completed,
    "queued_jobs_without_open_slots": queue_it_with_nothing_to_make,
    "running_attempts_of_other_jobs": leave_its_attempt_running,
    "counters_behind_rows": set_its_owners_counter_back,
    "wrong_library_totals": count_the_library_wrongly,
    "wrong_library_hours": count_an_hour_wrongly,
    "stale_previews": leave_a_preview,
    "unsearchable_assets": leave_a_result_out_of_the_index,
    "wrong_search_moments": put_a_result_elsewhere_in_the_index,
    "files_without_row": leave_a_file,
}


def test_what_is_right_is_left_alone(owner: User, worker: Worker, partial: Job) -> None:
    cancel(owner_id=owner.pk, job_id=make_job(owner, quantity=3).pk)
    complete(make_job(owner), worker)
    make_job(owner)
    held = lease_next(worker)
    upload(held)
    make_job(owner, "video_fast")
    before = [list(model.objects.order_by("pk").values()) for model in (Job, Asset, Attempt, Upload)]
    assert check("--fix")[0] == 0
    assert [list(model.objects.order_by("pk").values()) for model in (Job, Asset, Attempt, Upload)] == before


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_is_found_shown_and_mended(partial: Job, kind: str) -> None:
    wrong = FAULTS[kind](partial)
    status, shown = check()
    assert status == 1
    assert f"{kind}: 1 (" in shown
    assert f"  {wrong}\n" in shown
    assert check()[1] == shown, "a dry run changes nothing"
    status, shown = check("--fix")
    assert (status, "fixed 1, left 0" in shown) == (0, True)
    assert check()[0] == 0
    assert (fresh(partial).status, [slot.status for slot in fresh(partial).slots]) == (
        "partial",
        ["completed", "completed", "failed"],
    )


def test_a_mended_slot_says_why_it_is_empty_and_pages_hear_of_it(partial: Job) -> None:
    leave_a_slot_queued(partial)
    before = feed.position(partial.owner_id).revision
    check("--fix")
    slot = fresh(partial).slots[2]
    assert (slot.status, slot.error_code) == ("failed", "not_delivered")
    assert slot in feed.changes(owner_id=partial.owner_id, after=before).assets


def test_a_cancelled_jobs_open_slot_is_cancelled(owner: User) -> None:
    job = make_job(owner, quantity=3)
    cancel(owner_id=owner.pk, job_id=job.pk)
    leave_a_slot_queued(job)
    assert check("--fix")[0] == 0
    assert [slot.status for slot in fresh(job).slots] == ["cancelled"] * 3
    assert fresh(job).status == "cancelled"


def test_a_job_that_ended_before_its_results_were_purged_is_right(partial: Job) -> None:
    """Its slots alone would give another state."""
    purge(partial, 2)
    assert Tombstone.objects.count() == 2
    assert check("--fix")[0] == 0
    assert fresh(partial).status == "partial"


def test_a_mended_slot_leaves_what_was_purged_counted(partial: Job) -> None:
    """Only completed results can be purged."""
    leave_a_slot_queued(partial)
    purge(partial, 2)
    assert check("--fix")[0] == 0
    assert (fresh(partial).status, [slot.status for slot in fresh(partial).slots]) == ("partial", ["failed"])


def test_a_change_while_the_counters_are_compared_puts_none_behind(partial: Job) -> None:
    """A server goes on meanwhile: the rows read later may be newer than a counter read before."""
    changed: list[str] = []

    def change_once(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if not changed:
            changed.append(sql)
            discard(owner_id=partial.owner_id, assets=[partial.slots[0].pk])
        return result

    with connection.execute_wrapper(change_once):
        assert list(consistency.counters_behind_rows()) == []


def test_what_is_purged_while_files_are_looked_for_has_lost_none(partial: Job) -> None:
    lost, purged = partial.slots[:2]
    default_storage.delete(lost.file.name)
    without_file = stored_files.rows_without_file()
    assert next(without_file) == lost
    purge(partial, 2)
    default_storage.delete(purged.file.name)  # the purge does so after its commit
    default_storage.delete(purged.thumbnail.name)
    assert list(without_file) == []


def test_files_that_go_while_they_are_looked_at_are_passed_over(owner: User, partial: Job) -> None:
    first, later = sorted((partial, make_job(owner)), key=lambda job: str(job.pk))
    wanted, gone = leave_a_file(first), leave_a_file(later)
    without_row = stored_files.files_without_row()
    assert next(without_row) == wanted
    default_storage.delete(gone)
    default_storage.delete(str(later.pk))  # as the deletion of its owner's account does
    assert list(without_row) == []


def test_what_went_before_it_could_be_mended_is_passed_over() -> None:
    """An account may be deleted meanwhile."""
    consistency.end_attempt(1)
    library_totals.recount(1)
    consistency.advance_counter(1)
    connection.check_constraints()


def test_a_lost_file_is_told_and_cannot_be_mended(partial: Job) -> None:
    """pitfall 10"""
    lost = partial.slots[0]
    default_storage.delete(lost.file.name)
    for arguments in ([], ["--fix"]):
        status, shown = check(*arguments)
        assert status == 1
        assert f"  image {lost.pk}\n" in shown
    assert "not fixed" in shown
    assert check("--skip-files")[0] == 0


def test_a_job_that_runs_without_an_attempt_is_told(owner: User, worker: Worker) -> None:
    make_job(owner)
    job = lease_next(worker)
    Attempt.objects.filter(job=job).delete()
    status, shown = check("--fix")
    assert status == 1
    assert "running_jobs_without_attempt: 1" in shown


def test_an_upload_that_nothing_took_goes_with_its_file(owner: User, worker: Worker) -> None:
    make_job(owner, quantity=3)
    job = lease_next(worker)
    upload(job, 0)
    Upload.objects.update(created_at=from_now(-2 * 24 * 3600))
    assert "unused_uploads: 0" in check()[1], "its job runs still"
    cancel(owner_id=owner.pk, job_id=job.pk)
    assert "unused_uploads: 1" in check("--fix")[1]
    assert not Upload.objects.exists()


def test_previews_of_running_jobs_stay(owner: User, worker: Worker) -> None:
    make_job(owner)
    job = lease_next(worker)
    given: dict[str, Any] = {"job_id": job.pk, "lease_token": job.lease_token, "slot": 0}
    store_preview(worker=worker, content=io.BytesIO(png()), **given)
    Preview.objects.update(stored_at=from_now(-3600))
    assert check("--fix")[0] == 0
    assert Preview.objects.exists()


def test_many_of_a_kind_are_counted_and_some_shown(owner: User) -> None:
    for _ in range(22):
        job = make_job(owner)
        cancel(owner_id=owner.pk, job_id=job.pk)
        Asset.objects.filter(job=job).update(status="queued")
    shown = check("--skip-files")[1]
    assert "ended_jobs_with_queued_slots: 22" in shown
    assert "  and 2 more\n" in shown
