"""What pages say of a job in hand: the slot in work, how far it is, how long it will take."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation.core.errors import UnknownSlot
from generation.jobs import listing as job_listing
from generation.jobs.lease import heartbeat, release
from generation.jobs.progress import JobProgress, progress_of
from generation.models import Job, Preview, Worker, WorkerSpeed
from tests.factories import call_back, completed, failed, lease_next, make_job, make_worker


def of(job: Job) -> JobProgress:
    (known,) = job_listing.jobs_with_slots(owner_id=job.owner_id, job_ids=[job.pk])
    return progress_of([known])[job.pk]


def beat(job: Job, progress: int, slot: int | None = None) -> None:
    held = {"worker": job.leased_by, "job_id": job.pk, "lease_token": job.lease_token}
    heartbeat(**held, progress=progress, stage="", slot=slot)  # type: ignore[arg-type] # as named


def held(owner: User, worker: Worker, quantity: int = 6) -> Job:
    make_job(owner, quantity=quantity)
    return lease_next(worker)


@pytest.mark.parametrize(
    ("progress", "slot", "shown"),
    [
        (0, None, (0, 0)),
        (0, 0, (0, 0)),
        (25, None, (1, 50)),
        (25, 1, (1, 50)),
        (50, 3, (3, 0)),
        (49, 3, (3, 0)),  # rounded down by the worker
        (60, 3, (3, 60)),
        (100, 5, (5, 100)),
        (100, None, (5, 100)),
    ],
)
def test_a_slots_progress_is_its_own_share_of_the_jobs(
    owner: User, worker: Worker, progress: int, slot: int | None, shown: tuple[int, int]
) -> None:
    """pitfall 32: the fourth of six began at half."""
    job = held(owner, worker)
    beat(job, progress, slot)
    assert (of(job).slot, of(job).percent) == shown


def test_a_named_slot_that_is_done_gives_way_to_the_next(owner: User, worker: Worker) -> None:
    job = held(owner, worker, quantity=3)
    beat(job, 33, slot=0)
    call_back(job, completed(job, 0), status="processing")
    assert (of(job).slot, of(job).percent) == (1, 0)


def test_when_all_is_made_no_slot_is_in_work(owner: User, worker: Worker) -> None:
    job = held(owner, worker, quantity=1)
    call_back(job, completed(job, 0), status="processing")
    assert of(job).slot is None


def test_a_second_attempt_counts_only_what_it_was_given(owner: User, worker: Worker) -> None:
    """pitfall 32: of three, one came in the first attempt; the second makes two."""
    job = held(owner, worker, quantity=3)
    call_back(job, completed(job, 1), status="processing")
    release(worker=worker, job_id=job.pk, lease_token=job.lease_token)
    again = lease_next(worker)
    assert (of(again).slot, of(again).percent) == (0, 0)
    beat(again, 75, slot=2)
    assert (of(again).slot, of(again).percent) == (2, 50)


def test_a_lost_lease_takes_its_slot_along(owner: User, worker: Worker) -> None:
    job = held(owner, worker, quantity=3)
    beat(job, 80, slot=2)
    release(worker=worker, job_id=job.pk, lease_token=job.lease_token)
    assert Job.objects.get().current_slot is None


def test_a_slot_that_the_job_has_not_is_refused_and_changes_nothing(owner: User, worker: Worker) -> None:
    job = held(owner, worker, quantity=3)
    with pytest.raises(UnknownSlot):
        beat(job, 50, slot=3)
    assert Job.objects.get().progress == 0


def test_the_rest_follows_the_workers_pace_and_the_jobs_progress(owner: User, worker: Worker) -> None:
    """pitfall 32"""
    WorkerSpeed.objects.create(worker=worker, job_type="sdxl_image_fast", seconds=20)
    WorkerSpeed.objects.create(worker=make_worker(), job_type="sdxl_image_fast", seconds=1)
    job = held(owner, worker, quantity=3)
    assert of(job).seconds_left == 60
    beat(job, 50)
    assert of(job).seconds_left == 30
    call_back(job, completed(job, 0), completed(job, 1), status="processing")
    assert of(job).seconds_left == 20, "what is there needs no time"


def test_an_unmeasured_worker_is_judged_by_the_job_type(owner: User, worker: Worker) -> None:
    assert of(held(owner, worker)).seconds_left == 30


def test_what_failed_for_good_is_not_waited_for(owner: User, worker: Worker) -> None:
    job = held(owner, worker, quantity=3)
    call_back(job, failed(job, 0), status="processing")
    assert (of(job).slot, of(job).seconds_left) == (1, 10)


def test_only_jobs_in_hand_are_told_and_the_queries_do_not_grow(owner: User) -> None:
    make_job(owner)
    assert progress_of(job_listing.staged_jobs(owner_id=owner.pk).jobs) == {}
    counts: list[int] = []
    for _ in range(2):
        lease_next(make_worker())
        make_job(owner, quantity=6)
        jobs = job_listing.staged_jobs(owner_id=owner.pk).jobs
        with CaptureQueriesContext(connection) as queries:
            assert len(progress_of(jobs)) == len(counts) + 1
        counts.append(len(queries))
    assert counts == [5, 5]


def test_a_preview_of_an_earlier_lease_is_not_shown(owner: User, worker: Worker) -> None:
    """pitfall 16"""
    job = held(owner, worker, quantity=3)
    stored = {"job": job, "picture": b"x", "stored_at": job.created_at}
    Preview.objects.create(slot=0, lease_token=uuid.uuid4(), version="old", **stored)
    Preview.objects.create(slot=1, lease_token=job.lease_token, version="new", **stored)
    assert of(job).previews == {1: "new"}
