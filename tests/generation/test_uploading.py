"""Bytes for a slot: measured, named by us, kept once, and nothing left behind."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone

from generation.core.actors import SYSTEM
from generation.core.errors import JobNotFound, LeaseLost, TooManyUploads, UnknownSlot
from generation.jobs.lease import reap, release
from generation.jobs.owner_deletion import delete_all_of
from generation.jobs.uploads import store_upload
from generation.models import Job, Upload, Worker
from tests.acting import cancel
from tests.factories import lease_next, make_job, make_user, make_worker, mp4, png, upload
from tests.generation.pictures import clip, encoded, plain, png_that_claims, sound_only


@pytest.fixture
def job(owner: User, worker: Worker) -> Job:
    make_job(owner, quantity=3)
    return lease_next(worker)


@pytest.fixture
def video_job(owner: User, worker: Worker) -> Job:
    make_job(owner, "video_fast")
    return lease_next(worker)


def stored_files(settings: LazySettings) -> list[Path]:
    return sorted(path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


def test_the_bytes_are_kept_under_a_name_of_ours(job: Job, settings: LazySettings) -> None:
    """pitfall 20, pitfall 21"""
    kept = upload(job, 1, png(80, 40))
    assert (kept.slot, kept.content_type, kept.width, kept.height) == (1, "image/png", 80, 40)
    assert kept.byte_size == len(png(80, 40))
    assert [path.relative_to(settings.MEDIA_ROOT).as_posix() for path in stored_files(settings)] == [
        f"{job.pk}/{kept.pk}.png",
        f"{job.pk}/{kept.pk}.small.webp",
        f"{job.pk}/{kept.pk}.thumb.webp",
    ]
    assert stored_files(settings)[0].read_bytes() == png(80, 40)


@pytest.mark.parametrize(
    ("kind", "content"),
    [("png", png()), ("jpg", encoded(plain(), "JPEG")), ("webp", encoded(plain(), "WEBP"))],
)
def test_the_extension_is_that_of_the_bytes(job: Job, kind: str, content: bytes) -> None:
    """pitfall 21"""
    assert upload(job, 0, content).file.name.endswith(f".{kind}")


def test_a_clip_is_measured(video_job: Job) -> None:
    kept = upload(video_job, 0, clip("webm", "libvpx-vp9"))
    assert (kept.content_type, kept.frames) == ("video/webm", 16)
    assert kept.duration == pytest.approx(1.0, abs=0.001)  # a WebM counts in milliseconds


def test_the_same_bytes_again_answer_with_the_first_upload(job: Job, settings: LazySettings) -> None:
    """pitfall 15"""
    first = upload(job, 0, png())
    assert upload(job, 0, png()) == first
    assert Upload.objects.count() == 1
    assert len(stored_files(settings)) == 3


def test_the_same_bytes_for_another_slot_are_another_upload(job: Job) -> None:
    """pitfall 9"""
    assert upload(job, 0, png()) != upload(job, 1, png())


PICTURES = {
    "truncated": (png(200, 200)[:-40], "broken_media"),
    "an MP4": (mp4(), "wrong_format"),
    "huge": (png_that_claims(50_000, 50_000), "too_large"),
    "empty": (b"", "wrong_format"),
    "text": (b"not a picture", "wrong_format"),
}


@pytest.mark.parametrize("what", PICTURES)
def test_a_broken_picture_is_recorded_and_not_kept(job: Job, settings: LazySettings, what: str) -> None:
    content, code = PICTURES[what]
    kept = upload(job, 0, content)
    assert (kept.error_code, kept.file.name, kept.width) == (code, "", None)
    assert stored_files(settings) == []
    assert upload(job, 0, content) == kept
    assert job.slots[0].status == "queued"


@pytest.mark.parametrize("content", [png(), clip()[:-100], clip("matroska"), sound_only(), b""])
def test_a_broken_clip_is_recorded_and_not_kept(
    video_job: Job, settings: LazySettings, content: bytes
) -> None:
    assert upload(video_job, 0, content).error_code in ("wrong_format", "broken_media")
    assert stored_files(settings) == []


@pytest.mark.parametrize("slot", [3, -1, 99, 40_000])
def test_a_slot_that_the_job_has_not_is_refused(job: Job, settings: LazySettings, slot: int) -> None:
    with pytest.raises(UnknownSlot):
        upload(job, slot, png())
    assert stored_files(settings) == []


def test_who_does_not_hold_the_job_stores_nothing(job: Job, worker: Worker, settings: LazySettings) -> None:
    """pitfall 17"""
    attempts = [
        (make_worker(), job.pk, job.lease_token, JobNotFound),
        (worker, job.pk, uuid.uuid4(), LeaseLost),
        (worker, uuid.uuid4(), job.lease_token, JobNotFound),
    ]
    for caller, job_id, token, refusal in attempts:
        with pytest.raises(refusal):
            store_upload(worker=caller, job_id=job_id, lease_token=token, slot=0, content=io.BytesIO(png()))
    assert stored_files(settings) == []


def test_a_job_that_ended_or_was_given_back_takes_no_more(
    owner: User, worker: Worker, settings: LazySettings
) -> None:
    make_job(owner)
    cancelled = lease_next(worker)
    cancel(owner_id=owner.pk, job_id=cancelled.pk)
    make_job(owner)
    released = lease_next(worker)
    release(worker=worker, job_id=released.pk, lease_token=released.lease_token)
    for job in (cancelled, released):
        with pytest.raises(LeaseLost):
            upload(job, 0, png())
    assert stored_files(settings) == []


@pytest.mark.parametrize("full_at", ["thumb", ".png"])
def test_a_full_disk_leaves_no_file_and_no_row(
    job: Job, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    """pitfall 10: the file stayed when there was no room for its thumbnail."""
    monkeypatch.setattr("tests.generation.storages.FullDisk.full_at", full_at)
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "tests.generation.storages.FullDisk"}}
    with pytest.raises(OSError, match="No space left"):
        upload(job, 0, png())
    assert stored_files(settings) == []
    assert not Upload.objects.exists()


class SlowUpload(io.BytesIO):
    """Bytes during whose second reading, the measuring, `happen` comes about."""

    def __init__(self, content: bytes, happen: Callable[[], None]) -> None:
        super().__init__(content)
        self.happen = happen
        self.readings = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if offset == whence == 0:
            self.readings += 1
            if self.readings == 2:
                self.happen()
        return super().seek(offset, whence)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_goes_with_its_owner_meanwhile_is_unknown(settings: LazySettings) -> None:
    worker, owner = make_worker(), make_user()
    make_job(owner)
    held = lease_next(worker)

    def delete() -> None:
        for _ in delete_all_of(owner.pk, actor=SYSTEM):
            pass

    content = SlowUpload(png(), delete)
    with pytest.raises(JobNotFound):
        store_upload(worker=worker, job_id=held.pk, lease_token=held.lease_token, slot=0, content=content)
    assert stored_files(settings) == []
    assert not Upload.objects.exists()


def give_back(job: Job) -> Job:
    """The worker releases the job and leases it again."""
    release(worker=job.leased_by, job_id=job.pk, lease_token=job.lease_token)
    return lease_next(job.leased_by)


def test_giving_a_job_back_makes_no_room_for_more_files(job: Job) -> None:
    """It costs no attempt: a worker stored 32 files for one slot that way, and could go on."""
    for number in range(8):
        job = give_back(job) if number in (3, 6) else job
        upload(job, 0, png(shade=number))
    job = give_back(job)
    with pytest.raises(TooManyUploads):
        upload(job, 0, png(shade=100))
    assert upload(job, 1, png(shade=101)), "another slot has its own"


def test_each_attempt_has_room_for_its_own_files(job: Job) -> None:
    for number in range(8):
        upload(job, 0, png(shade=number))
    Job.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert reap() == 1
    Job.objects.filter(pk=job.pk).update(retry_at=None)
    again = give_back(lease_next(job.leased_by))
    assert upload(again, 0, png(shade=50)).error_code == ""
