"""What a worker's report does: every row of the table in docs/worker-protocol.md."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation.changes import feed
from generation.core.errors import JobNotFound, LeaseLost
from generation.core.limits import ERROR_MESSAGE_LENGTH
from generation.jobs.lease import heartbeat, release
from generation.jobs.report import Report, report
from generation.jobs.report_rules import AssetReport, SlotError
from generation.maintenance.cleanup import delete_old_uploads
from generation.models import Attempt, Image, Job, Upload, Worker
from tests.acting import cancel, retry
from tests.factories import (
    call_back,
    completed,
    failed,
    fresh,
    lease_next,
    make_job,
    make_user,
    make_worker,
    png,
    upload,
)


def held_job(owner: User, worker: Worker, quantity: int = 3, **submission: Any) -> Job:
    make_job(owner, quantity=quantity, **submission)
    return lease_next(worker)


def last_try(job: Job) -> Job:
    """The same lease, with no further attempt behind it."""
    Job.objects.filter(pk=job.pk).update(attempts_left=0)
    return job


def codes(receipt: object) -> list[tuple[int | None, str]]:
    return [(refused.image_index, refused.code) for refused in receipt.rejected]  # type: ignore[attr-defined]


def statuses(job: Job) -> list[str]:
    return [slot.status for slot in fresh(job).slots]


def snapshot(job: Job) -> object:
    """Everything a replay must not change."""
    slots = [{**vars(slot)} for slot in fresh(job).slots]
    row = {**vars(fresh(job))}
    for each in (row, *slots):
        each.pop("_state")
    return row, slots, feed.position(job.owner_id).revision, Upload.objects.count()


@pytest.mark.parametrize("quantity", [1, 3, 6])
def test_everything_delivered_completes_the_job(owner: User, worker: Worker, quantity: int) -> None:
    """pitfall 1: the rows of the submission are filled, none is added."""
    job = held_job(owner, worker, quantity)
    before = [slot.pk for slot in job.slots]
    receipt = call_back(job, *[completed(job, slot) for slot in range(quantity)])
    assert receipt.accepted == list(range(quantity))
    assert (receipt.duplicate, receipt.rejected, receipt.job_status) == ([], [], "completed")
    now = fresh(job)
    assert now.finished_at is not None
    assert now.lease_expires_at is None
    assert [slot.pk for slot in now.slots] == before
    assert Image.objects.count() == quantity


@pytest.mark.parametrize(
    "job_type", ["image_fast", "video_high", "image7b_fast_enhanced", "video7b_high_enhanced"]
)
def test_wan_reports_without_an_index(owner: User, worker: Worker, job_type: str) -> None:
    make_job(owner, job_type)
    job = lease_next(worker)
    assert call_back(job, completed(job, 0)).accepted == [None]
    slot = fresh(job).slots[0]
    assert slot.status == "completed"
    if slot.media == "video":
        assert (slot.frames, slot.duration, slot.content_type) == (8, 0.5, "video/mp4")


def test_results_go_to_their_index_whatever_their_order(owner: User, worker: Worker) -> None:
    """pitfall 4: a worker that leaves one out shifts nothing."""
    job = held_job(owner, worker, 6)
    sent = {slot: upload(job, slot, png(shade=10 + slot)) for slot in (5, 0, 3)}
    reports = [AssetReport(image_index=s, status="completed", upload_id=u.pk) for s, u in sent.items()]
    assert call_back(job, *reports).accepted == [5, 0, 3]
    for slot in fresh(job).slots:
        expected = sent[slot.slot].sha256 if slot.slot in sent else ""
        assert slot.sha256 == expected


def test_images_fill_in_one_by_one(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 3)
    for slot in (1, 0, 2):
        assert call_back(job, completed(job, slot), status="processing").job_status == "processing"
        assert fresh(job).slots[slot].status == "completed"
    assert fresh(job).finished_at is None
    assert call_back(job).job_status == "completed"


def test_a_partial_report_renews_the_lease(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker)
    Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")
    call_back(job, completed(job, 0), status="processing")
    renewed = fresh(job).lease_expires_at
    assert renewed is not None
    assert renewed.year > 2020


def test_the_row_holds_what_the_bytes_are(owner: User, worker: Worker) -> None:
    """pitfall 20, pitfall 21: measured, stored under our name, whatever was asked for."""
    job = held_job(owner, worker, 1)
    sent = upload(job, 0, png(200, 100))
    call_back(job, AssetReport(image_index=0, status="completed", upload_id=sent.pk, metadata={"a": 1}))
    image = fresh(job).slots[0]
    assert (image.width, image.height, image.content_type) == (200, 100, "image/png")
    assert (image.sha256, image.byte_size) == (sent.sha256, len(png(200, 100)))
    assert image.metadata == {"a": 1}
    assert image.completed_at is not None
    with default_storage.open(image.file.name) as stored:
        assert stored.read() == png(200, 100)
    assert default_storage.exists(image.thumbnail.name)


def test_a_seed_is_recorded_as_sent_and_kept_when_absent(owner: User, worker: Worker) -> None:
    """pitfall 8"""
    job = held_job(owner, worker, 3, seed=7)
    call_back(job, completed(job, 0, seed=0), completed(job, 1, seed=99), completed(job, 2))
    assert [slot.seed for slot in fresh(job).slots] == [0, 99, 9]


def test_results_of_a_reviewing_owner_wait_for_them(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 1, review=True)
    call_back(job, completed(job, 0))
    assert fresh(job).slots[0].saved_at is None


def test_metadata_does_not_grow_without_end(owner: User, worker: Worker) -> None:
    """A worker could write a megabyte into the row with forty reports; what is told last has the room."""
    job = held_job(owner, worker)
    for number in range(3):
        call_back(job, status="processing", metadata={f"part{number}": "x" * 20_000})
    assert list(fresh(job).metadata) == ["part2"]


def test_metadata_is_merged_and_the_enhanced_prompt_kept(owner: User, worker: Worker) -> None:
    make_job(owner, "image7b_fast_enhanced")
    job = lease_next(worker)
    call_back(job, status="processing", metadata={"enhanced_prompt": "a tall lighthouse", "steps": 1})
    call_back(job, completed(job, 0), metadata={"steps": 2, "gpu": "none"})
    now = fresh(job)
    assert now.enhanced_prompt == "a tall lighthouse"
    assert (now.metadata["steps"], now.metadata["gpu"]) == (2, "none")
    assert now.prompt == "a lighthouse"


def test_only_job_types_that_enhance_take_an_enhanced_prompt(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 1)
    call_back(job, completed(job, 0), metadata={"enhanced_prompt": "not mine"})
    assert fresh(job).enhanced_prompt == ""


@pytest.mark.parametrize("status", ["processing", "completed", "failed"])
def test_a_replay_changes_nothing_and_says_so(owner: User, worker: Worker, status: str) -> None:
    """pitfall 14, pitfall 15: in every state that the first report can leave behind."""
    job = held_job(owner, worker, 3)
    reports = [completed(job, 0), failed(job, 1, retryable=True), failed(job, 2)]
    first = call_back(job, *reports, status=status)
    assert first.accepted == [0, 1, 2]
    if status == "processing":
        assert call_back(job, reports[0], status=status).duplicate == [0]
        return
    assert first.job_status == "queued"  # slot 1 is to be tried again
    before = snapshot(job)
    again = call_back(job, *reports, status=status)
    assert (again.accepted, again.duplicate, again.rejected) == ([], [0, 1, 2], [])
    assert again.job_status == "queued"
    assert snapshot(job) == before


@pytest.mark.parametrize("ending", ["completed", "partial", "failed"])
def test_a_replay_after_the_end_is_answered(owner: User, worker: Worker, ending: str) -> None:
    """pitfall 14"""
    job = held_job(owner, worker, 3)
    good = {"completed": 3, "partial": 1, "failed": 0}[ending]
    reports = [completed(job, s) if s < good else failed(job, s) for s in range(3)]
    assert call_back(job, *reports).job_status == ending
    before = snapshot(job)
    again = call_back(job, *reports)
    assert (again.duplicate, again.accepted, again.rejected) == ([0, 1, 2], [], [])
    assert again.job_status == ending
    assert snapshot(job) == before


def test_a_replay_days_later_is_still_a_replay(owner: User, worker: Worker) -> None:
    """Pitfall 15: the rows of uploads are dropped after a day; the asset knows which one it came from."""
    make_job(owner, quantity=3)
    job = lease_next(worker)
    reports = [completed(job, slot) for slot in range(3)]
    call_back(job, *reports)
    Upload.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert delete_old_uploads() == 3

    assert call_back(job, *reports).duplicate == [0, 1, 2]

    exchanged = [
        replace(reports[0], upload_id=reports[1].upload_id),
        replace(reports[1], upload_id=uuid.uuid4()),
    ]
    assert [refused.code for refused in call_back(job, *exchanged).rejected] == ["conflict"] * 2


def test_a_replay_of_broken_media_gets_the_same_answer(owner: User, worker: Worker) -> None:
    """It was told that the job had ended, although it was queued again."""
    job = held_job(owner, worker, 1)
    told = AssetReport(image_index=0, status="completed", upload_id=upload(job, 0, b"no picture").pk)
    first = call_back(job, told)
    before = snapshot(job)
    assert codes(call_back(job, told)) == codes(first) == [(0, "wrong_format")]
    assert snapshot(job) == before


def test_the_same_index_twice_in_one_body_counts_once(owner: User, worker: Worker) -> None:
    """pitfall 15"""
    job = held_job(owner, worker, 1)
    told = completed(job, 0)
    other = AssetReport(image_index=0, status="completed", upload_id=upload(job, 0, png(shade=200)).pk)
    receipt = call_back(job, told, told, other)
    assert (receipt.accepted, receipt.duplicate) == ([0], [0])
    assert codes(receipt) == [(0, "conflict")]
    assert fresh(job).slots[0].sha256 == Upload.objects.get(pk=told.upload_id).sha256


def test_other_bytes_for_a_completed_slot_are_refused(owner: User, worker: Worker) -> None:
    """pitfall 16"""
    job = held_job(owner, worker, 3)
    call_back(job, completed(job, 0), status="processing")
    before = fresh(job).slots[0].sha256
    other = AssetReport(image_index=0, status="completed", upload_id=upload(job, 0, png(shade=250)).pk)
    receipt = call_back(job, other, completed(job, 1), failed(job, 0), status="processing")
    assert codes(receipt) == [(0, "conflict"), (0, "conflict")]
    assert receipt.accepted == [1]
    assert fresh(job).slots[0].sha256 == before


def test_a_failed_slot_takes_no_late_result(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 3)
    call_back(job, failed(job, 0), status="processing")
    receipt = call_back(job, completed(job, 0), failed(job, 0), status="processing")
    assert codes(receipt) == [(0, "conflict")]
    assert receipt.duplicate == [0]
    assert statuses(job)[0] == "failed"


@pytest.mark.parametrize("index", [3, 99, None, -1])
def test_an_unknown_index_is_refused_and_the_others_written(
    owner: User, worker: Worker, index: int | None
) -> None:
    job = held_job(owner, worker, 3)
    wrong = AssetReport(image_index=index, status="completed", upload_id=upload(job, 0).pk)
    receipt = call_back(job, wrong, completed(job, 1), status="processing")
    assert codes(receipt) == [(index, "unknown_index")]
    assert receipt.accepted == [1]
    assert statuses(job) == ["queued", "completed", "queued"]


def test_an_index_for_a_video_is_unknown(owner: User, worker: Worker) -> None:
    make_job(owner, "video_fast")
    job = lease_next(worker)
    wrong = AssetReport(image_index=0, status="completed", upload_id=upload(job).pk)
    assert codes(call_back(job, wrong, status="processing")) == [(0, "unknown_index")]


def test_an_upload_of_another_slot_is_refused(owner: User, worker: Worker) -> None:
    """pitfall 4"""
    job = held_job(owner, worker, 3)
    wrong = AssetReport(image_index=1, status="completed", upload_id=upload(job, 0).pk)
    assert codes(call_back(job, wrong, status="processing")) == [(1, "unknown_upload")]
    assert statuses(job) == ["queued"] * 3


def test_an_upload_of_another_job_is_refused(owner: User, worker: Worker) -> None:
    other = held_job(make_user(), worker, 3)
    job = held_job(owner, worker, 3)
    for upload_id in (upload(other, 0).pk, uuid.uuid4(), None):
        wrong = AssetReport(image_index=0, status="completed", upload_id=upload_id)
        assert codes(call_back(job, wrong, status="processing")) == [(0, "unknown_upload")]
    assert statuses(job) == ["queued"] * 3


def test_only_the_uploads_that_filled_a_slot_are_marked_as_used(owner: User, worker: Worker) -> None:
    """pitfall 10: one that was refused was marked too, when its bytes were the same, and kept for ever."""
    job = held_job(owner, worker, 3)
    good, stray = upload(job, 0, png()), upload(job, 1, png())
    assert good.sha256 == stray.sha256
    call_back(
        job,
        AssetReport(image_index=0, status="completed", upload_id=good.pk),
        AssetReport(image_index=2, status="completed", upload_id=stray.pk),
        status="processing",
    )
    good.refresh_from_db()
    stray.refresh_from_db()
    assert good.accepted_at is not None
    assert stray.accepted_at is None


def test_siblings_with_the_same_bytes_are_both_kept(owner: User, worker: Worker) -> None:
    """pitfall 9"""
    job = held_job(owner, worker, 3)
    for slot in range(3):
        same = AssetReport(image_index=slot, status="completed", upload_id=upload(job, slot, png()).pk)
        assert call_back(job, same, status="processing").accepted == [slot]
    slots = fresh(job).slots
    assert len({slot.sha256 for slot in slots}) == 1
    assert len({slot.file.name for slot in slots}) == 3


def test_broken_media_fails_its_slot_and_writes_the_others(owner: User, worker: Worker) -> None:
    job = last_try(held_job(owner, worker, 3))
    broken = upload(job, 1, png()[:50])
    wrong = AssetReport(image_index=1, status="completed", upload_id=broken.pk)
    receipt = call_back(job, completed(job, 0), wrong, completed(job, 2))
    assert receipt.accepted == [0, 2]
    assert codes(receipt) == [(1, "broken_media")]
    assert receipt.job_status == "partial"
    slot = fresh(job).slots[1]
    assert (slot.status, slot.error_code, slot.file.name) == ("failed", "broken_media", "")
    attempt = Attempt.objects.get(job=job)
    assert (attempt.accepted, attempt.rejected) == (2, 1)


def test_a_late_asset_after_cancel_is_answered_and_dropped(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 3)
    done, late = completed(job, 0), completed(job, 1)
    call_back(job, done, status="processing")
    cancel(owner_id=owner.pk, job_id=job.pk)
    before = snapshot(job)
    receipt = call_back(job, done, late, failed(job, 2))
    assert receipt.duplicate == [0]
    assert codes(receipt) == [(1, "discarded"), (2, "discarded")]
    assert receipt.job_status == "cancelled"
    assert snapshot(job) == before
    assert statuses(job) == ["completed", "cancelled", "cancelled"]


def test_slots_left_out_are_tried_again_and_then_not_delivered(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 3)
    assert call_back(job, completed(job, 1)).job_status == "queued"
    assert fresh(job).retry_at is not None
    assert statuses(job) == ["queued", "completed", "queued"]
    for attempt in (2, 3):
        Job.objects.filter(pk=job.pk).update(retry_at=None)
        again = lease_next(worker)
        assert (again.pk, again.attempt) == (job.pk, attempt)
        status = call_back(again).job_status
    assert status == "partial"
    assert statuses(job) == ["failed", "completed", "failed"]
    assert {slot.error_code for slot in fresh(job).slots} == {"", "not_delivered"}
    assert fresh(job).error_code == "not_delivered"


def test_the_last_error_is_kept_when_the_attempts_are_used_up(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 1)
    for code in ("first", "second", "third"):
        status = call_back(job, failed(job, 0, retryable=True, code=code)).job_status
        Job.objects.filter(pk=job.pk, status="queued").update(retry_at=None)
        if status == "queued":
            job = lease_next(worker)
    assert status == "failed"
    slot = fresh(job).slots[0]
    assert (slot.error_code, slot.error_message) == ("third", "The GPU ran out of memory.")


def test_an_error_that_is_final_is_not_tried_again(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 3)
    receipt = call_back(job, completed(job, 0), failed(job, 1), failed(job, 2, code="bad_prompt"))
    assert receipt.job_status == "partial"
    assert fresh(job).attempts_left == 2
    assert [slot.error_code for slot in fresh(job).slots] == ["", "out_of_memory", "bad_prompt"]


def test_a_success_clears_the_error_of_an_earlier_attempt(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 1)
    call_back(job, failed(job, 0, retryable=True))
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    again = lease_next(worker)
    call_back(again, completed(again, 0))
    now = fresh(job)
    assert (now.status, now.error_code, now.slots[0].error_code) == ("completed", "", "")


def test_when_all_fail_every_record_fails(owner: User, worker: Worker) -> None:
    """pitfall 6, pitfall 5"""
    job = last_try(held_job(owner, worker, 6))
    assert call_back(job, status="failed", error_message="No GPU.").job_status == "failed"
    slots = fresh(job).slots
    assert [slot.status for slot in slots] == ["failed"] * 6
    assert {(slot.error_code, slot.error_message) for slot in slots} == {("worker_error", "No GPU.")}
    assert fresh(job).error_message == "No GPU."


def test_one_success_is_enough_for_partial(owner: User, worker: Worker) -> None:
    """pitfall 6: failed only when all are."""
    job = last_try(held_job(owner, worker, 6))
    receipt = call_back(job, completed(job, 5), status="failed", error_message="No GPU.")
    assert receipt.job_status == "partial"
    assert statuses(job) == ["failed"] * 5 + ["completed"]


def test_a_failure_without_a_reason_gets_one(owner: User, worker: Worker) -> None:
    job = last_try(held_job(owner, worker, 1))
    call_back(job, AssetReport(image_index=0, status="failed"))
    assert fresh(job).slots[0].error_code == "worker_error"


def test_texts_of_a_worker_are_cut_to_size(owner: User, worker: Worker) -> None:
    job = last_try(held_job(owner, worker, 1))
    long = SlotError("c" * 900, "m" * 9000, retryable=False)
    call_back(job, AssetReport(image_index=0, status="failed", error=long), error_message="e" * 9000)
    slot = fresh(job).slots[0]
    assert (len(slot.error_code), len(slot.error_message)) == (40, 500)


def make_report(job: Job, token: uuid.UUID | None = None) -> Report:
    return Report(job_id=job.pk, lease_token=token or job.lease_token, status="completed")


def test_another_lease_or_worker_is_refused(owner: User, worker: Worker) -> None:
    """pitfall 16, pitfall 17"""
    job = held_job(owner, worker)
    with pytest.raises(LeaseLost):
        report(worker=worker, report=make_report(job, uuid.uuid4()))
    with pytest.raises(JobNotFound):
        report(worker=make_worker(), report=make_report(job))
    unknown = Report(job_id=uuid.uuid4(), lease_token=uuid.uuid4(), status="completed")
    with pytest.raises(JobNotFound):
        report(worker=worker, report=unknown)
    assert statuses(job) == ["queued"] * 3


def test_a_worker_that_was_replaced_is_refused_and_nothing_written(owner: User, worker: Worker) -> None:
    """pitfall 16"""
    job = held_job(owner, worker)
    late = completed(job, 0)
    release(worker=worker, job_id=job.pk, lease_token=job.lease_token)
    for moment in ("while it waits", "while another holds it"):
        before = snapshot(job)
        with pytest.raises(LeaseLost):
            call_back(job, late)
        assert snapshot(job) == before, moment
        if moment == "while it waits":
            lease_next(make_worker())


def test_after_the_owners_retry_the_old_lease_is_worth_nothing(owner: User, worker: Worker) -> None:
    """pitfall 16"""
    job = held_job(owner, worker)
    late = completed(job, 0)
    cancel(owner_id=owner.pk, job_id=job.pk)
    retry(owner_id=owner.pk, job_id=job.pk)
    with pytest.raises(LeaseLost):
        call_back(job, late)
    with pytest.raises(LeaseLost):
        heartbeat(worker=worker, job_id=job.pk, lease_token=job.lease_token, progress=1, stage="")
    assert statuses(job) == ["queued"] * 3


def test_a_report_costs_as_many_queries_for_six_results_as_for_one(owner: User, worker: Worker) -> None:
    def queries(quantity: int, status: str) -> int:
        job = held_job(owner, worker, quantity)
        reports = [completed(job, slot) for slot in range(quantity)]
        with CaptureQueriesContext(connection) as counted:
            call_back(job, *reports, status=status)
        call_back(job)
        return len(counted)

    queries(1, "completed")  # the first lease also begins the worker's pace
    assert queries(1, "completed") == queries(6, "completed")
    assert queries(1, "processing") == queries(6, "processing")


def test_each_changed_row_gets_the_next_revision(owner: User, worker: Worker) -> None:
    job = held_job(owner, worker, 3)
    reports = [completed(job, slot) for slot in (2, 0)]
    before = feed.position(owner.pk).revision
    call_back(job, *reports, status="processing")
    changed = feed.changes(owner_id=owner.pk, after=before)
    rows: list[Any] = [*changed.assets, *changed.jobs]
    stamped = sorted(row.revision for row in rows)
    assert stamped == [before + 1, before + 2, before + 3]
    assert [image.image_index for image in changed.assets] == [0, 2]


def test_a_long_reason_of_a_worker_is_cut_to_what_a_row_holds(owner: User, worker: Worker) -> None:
    leased = last_try(held_job(owner, worker, quantity=1))

    call_back(leased, status="failed", error_message="The driver says: " + "x" * 3900)

    job = fresh(leased)
    (slot,) = job.slots
    for row in (job, slot):
        assert row.error_message.startswith("The driver says: x")
        assert len(row.error_message) == ERROR_MESSAGE_LENGTH
