"""What is kept of every attempt, and what the log says of every transition."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from generation.core.clock import from_now
from generation.core.errors import LeaseLost
from generation.jobs.lease import heartbeat, reap, release
from generation.models import Attempt, Job, Worker
from tests.acting import cancel, clear, discard, restore, retry
from tests.factories import call_back, completed, failed, fresh, lease_next, make_job, make_worker, upload
from tests.generation.conftest import LogOf

SECRET = "a very private lighthouse"


def attempts_of(job: Job) -> list[tuple[int, str, int, int]]:
    rows = Attempt.objects.filter(job=job).order_by("number")
    return [(row.number, row.outcome, row.accepted, row.rejected) for row in rows]


def test_each_way_to_end_is_told(owner: User, worker: Worker) -> None:
    job = make_job(owner, quantity=3)
    held = lease_next(worker)
    release(worker=worker, job_id=job.pk, lease_token=held.lease_token)
    held = lease_next(worker)
    call_back(held, completed(held, 0), status="processing")
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1))
    reap()
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    held = lease_next(worker)
    call_back(held, completed(held, 1), failed(held, 2, retryable=True), error_message="One failed.")
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    lease_next(worker)
    cancel(owner_id=owner.pk, job_id=job.pk)
    assert attempts_of(job) == [
        (1, "released", 0, 0),
        (2, "expired", 1, 0),
        (3, "reported", 1, 1),
        (4, "cancelled", 0, 0),
    ]
    rows = Attempt.objects.filter(job=job)
    assert rows.get(number=3).error_message == "One failed."
    assert not rows.filter(ended_at=None).exists()
    assert rows.values("lease_token").distinct().count() == 4


def test_a_running_attempt_counts_along(owner: User, worker: Worker) -> None:
    job = make_job(owner, quantity=3)
    held = lease_next(worker)
    for slot in (0, 1):
        call_back(held, completed(held, slot), status="processing")
    call_back(held, failed(held, 2), status="processing")
    assert attempts_of(job) == [(1, "running", 2, 1)]


def test_a_broken_upload_is_counted_once(owner: User, worker: Worker) -> None:
    """It was counted as refused and as failed."""
    job = make_job(owner)
    held = lease_next(worker)
    broken = upload(held, 0, b"nothing")
    report = completed(held, 0)
    call_back(held, type(report)(image_index=0, status="completed", upload_id=broken.pk))
    assert attempts_of(job) == [(1, "reported", 0, 1)]


def test_the_history_outlives_a_retry(owner: User, worker: Worker) -> None:
    job = make_job(owner)
    lease_next(worker)
    cancel(owner_id=owner.pk, job_id=job.pk)
    retry(owner_id=owner.pk, job_id=job.pk)
    lease_next(make_worker())
    assert attempts_of(job) == [(1, "cancelled", 0, 0), (2, "running", 0, 0)]


def test_every_transition_leaves_one_line_with_its_ids(owner: User, worker: Worker, log_of: LogOf) -> None:
    jobs: list[Job] = []
    actors: set[str] = set()

    def events(call: Callable[[], object]) -> list[str]:
        lines = log_of(call)
        for line in lines:
            if jobs:
                assert line["job"] == str(jobs[0].pk), line
            actors.add(str(line["actor"]))
        return [str(line["event"]) for line in lines]

    assert events(lambda: jobs.append(make_job(owner, quantity=3, prompt=SECRET))) == ["job.submitted"]
    job = jobs[0]
    assert events(lambda: lease_next(worker)) == ["job.leased"]
    held = fresh(job)
    report = completed(held, 0)
    assert events(lambda: call_back(held, report, status="processing")) == ["asset.reported"]
    ids = log_of(lambda: call_back(held, failed(held, 1), status="processing"))[0]
    assert ids["asset"] == str(held.slots[1].pk)
    assert (ids["worker"], ids["attempt"], ids["image_index"]) == (str(worker.pk), 1, 1)
    assert events(lambda: call_back(held)) == ["job.requeued"]
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    again = lease_next(worker)
    assert events(lambda: cancel(owner_id=owner.pk, job_id=job.pk)) == ["job.cancelled"]
    assert events(lambda: retry(owner_id=owner.pk, job_id=job.pk)) == ["job.retried"]
    assert events(lambda: _refused(again)) == ["lease.refused"]
    last = lease_next(worker)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1), attempts_left=0)
    assert events(reap) == ["lease.expired", "job.ended"]
    asset = last.slots[0].pk
    assert events(lambda: discard(owner_id=owner.pk, assets=[asset])) == ["asset.discarded"]
    assert events(lambda: restore(owner_id=owner.pk, assets=[asset])) == ["asset.restored"]
    assert events(lambda: clear(owner_id=owner.pk)) == ["job.cleared"]
    assert actors == {f"user:{owner.pk}", f"worker:{worker.pk}", "system"}


def _refused(job: Job) -> None:
    with pytest.raises(LeaseLost):
        heartbeat(worker=job.leased_by, job_id=job.pk, lease_token=job.lease_token, progress=1, stage="")


def test_a_refused_asset_leaves_a_line(owner: User, worker: Worker, log_of: LogOf) -> None:
    make_job(owner, quantity=3)
    held = lease_next(worker)
    report = type(completed(held, 0))(image_index=9, status="completed")
    lines = log_of(lambda: call_back(held, report, status="processing"))
    assert [(line["event"], line["code"], line["image_index"]) for line in lines] == [
        ("asset.rejected", "unknown_index", 9)
    ]


def test_no_line_holds_a_token_or_a_prompt(owner: User, worker: Worker, log_of: LogOf) -> None:
    def everything() -> None:
        make_job(owner, "image7b_fast_enhanced", prompt=SECRET)
        held = lease_next(worker)
        tokens.append(str(held.lease_token))
        call_back(held, completed(held, 0), metadata={"enhanced_prompt": SECRET})

    tokens: list[str] = []
    lines = log_of(everything)
    assert len(lines) >= 4
    text = repr(lines)
    assert SECRET not in text
    assert not re.search("|".join(tokens), text)


def test_what_rolls_back_leaves_no_line(owner: User, log_of: LogOf) -> None:
    def undone() -> None:
        with transaction.atomic():
            make_job(owner)
            transaction.set_rollback(True)

    assert log_of(undone) == []
