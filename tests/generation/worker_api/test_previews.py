"""Previews: small pictures of slots in work, trusted no more than results, kept no longer than the work."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from PIL import Image as Picture

from generation.assets.previews import delete_previews
from generation.models import Job, JobStatus, Preview
from tests.acting import cancel
from tests.factories import fresh, make_job, make_user, mp4, png
from tests.generation.pictures import animated, encoded, plain, png_that_claims
from tests.generation.worker_api.conftest import Machine
from tests.generation.worker_api.test_uploading import gif


def webp(shade: int = 0, side: int = 128) -> bytes:
    return encoded(Picture.new("RGB", (side, side), (shade, 90, 160)), "WEBP")


def a_second_later(job: Job) -> None:
    """As if a second had gone by since all that the job sent."""
    names = ("hinted_at", "hinted_before_at", "previewed_at", "previewed_before_at")
    now = fresh(job)
    moments = {name: getattr(now, name) for name in names}
    back = {name: moment - timedelta(seconds=1) for name, moment in moments.items() if moment}
    Job.objects.filter(pk=job.pk).update(**back)


@pytest.fixture
def job(owner: User) -> Job:
    return make_job(owner, quantity=3)


@pytest.fixture
def lease(machine: Machine, job: Job) -> dict[str, Any]:
    leased: dict[str, Any] = machine.lease().json()
    return leased


@pytest.mark.parametrize(
    ("kind", "content_type"), [("WEBP", "image/webp"), ("JPEG", "image/jpeg"), ("PNG", "image/png")]
)
def test_a_preview_is_measured_and_encoded_again(
    machine: Machine, lease: dict[str, Any], kind: str, content_type: str
) -> None:
    sent = encoded(plain(120, 90), kind, **({"exif": b"Exif\0\0where"} if kind == "JPEG" else {}))

    answer = machine.preview(lease, 1, sent, content_type)

    assert (answer.status_code, answer.content) == (204, b"")
    kept = Preview.objects.get()
    assert (kept.slot, str(kept.lease_token)) == (1, lease["lease_token"])
    assert bytes(kept.picture) != sent
    assert b"where" not in bytes(kept.picture)
    picture = Picture.open(io.BytesIO(bytes(kept.picture)))
    assert (picture.format, picture.size) == ("WEBP", (120, 90))


def test_the_newest_preview_of_a_slot_takes_the_place_of_the_last(
    machine: Machine, lease: dict[str, Any]
) -> None:
    machine.preview(lease, 0, webp(1))
    first = Preview.objects.get()
    machine.preview(lease, 0, webp(200))
    assert Preview.objects.get().version != first.version


def test_a_preview_is_no_change_and_renews_nothing(machine: Machine, job: Job, lease: dict[str, Any]) -> None:
    Job.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=5))
    before = fresh(job)
    assert machine.preview(lease, 0, webp()).status_code == 204
    after = fresh(job)
    assert (after.revision, after.status, after.lease_expires_at, after.progress) == (
        before.revision,
        before.status,
        before.lease_expires_at,
        before.progress,
    )


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "wrong_format"),
        (b"no picture", 422, "wrong_format"),
        (gif(), 422, "wrong_format"),
        (mp4(), 422, "wrong_format"),
        (animated("WEBP"), 422, "wrong_format"),
        (png()[:-20], 422, "broken_media"),
        (png(513, 10), 413, "too_large"),
        (png_that_claims(50_000, 50_000), 413, "too_large"),
        (png_that_claims(8000, 8000), 413, "too_large"),
        (png() + b"\0" * 65536, 413, "too_large"),
    ],
    ids=["empty", "text", "GIF", "MP4", "animated", "cut", "513 px", "bomb", "64 MP", "over 64 KiB"],
)
def test_what_is_no_small_picture_is_refused_and_not_kept(
    machine: Machine, lease: dict[str, Any], content: bytes, status: int, code: str
) -> None:
    """pitfall 21"""
    answer = machine.preview(lease, 0, content, "image/png")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Preview.objects.exists()


def test_the_limits_are_inclusive(machine: Machine, lease: dict[str, Any]) -> None:
    exactly = png(512, 512)
    assert machine.preview(lease, 0, exactly, "image/png").status_code == 204


def test_another_content_type_is_refused_before_reading(machine: Machine, lease: dict[str, Any]) -> None:
    assert machine.preview(lease, 0, webp(), "video/mp4").status_code == 415
    assert machine.preview(lease, 0, webp(), HTTP_X_LEASE_TOKEN="x").status_code == 422


@pytest.mark.parametrize("slot", [3, 32768, 10**30])
def test_a_slot_that_is_not_there_is_not_found(machine: Machine, lease: dict[str, Any], slot: int) -> None:
    answer = machine.preview(lease, slot, webp())
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_slot")


def test_a_third_preview_within_a_second_is_dropped(
    machine: Machine, job: Job, lease: dict[str, Any]
) -> None:
    """pitfall 34: the limit is of the job, whatever the slot."""
    answers = [machine.preview(lease, slot, webp(slot)) for slot in (0, 1, 2)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[-1].json()["code"] == "too_many_previews"
    assert Preview.objects.count() == 2

    a_second_later(job)
    assert [machine.preview(lease, 2, webp(slot)).status_code for slot in (7, 8, 9)] == [204, 204, 429]


def test_other_jobs_previews_do_not_count(machine: Machine, other: Machine, owner: User) -> None:
    for each in (machine, other):
        make_job(owner)
        lease = each.lease().json()
        assert [each.preview(lease, 0, webp(n)).status_code for n in (1, 2)] == [204, 204]


def test_a_cancelled_job_takes_no_preview(
    machine: Machine, owner: User, job: Job, lease: dict[str, Any]
) -> None:
    cancel(owner_id=owner.pk, job_id=job.pk)
    assert machine.preview(lease, 0, webp()).status_code == 409
    assert not Preview.objects.exists()


def test_chores_remove_previews_when_the_job_no_longer_runs(
    machine: Machine, job: Job, lease: dict[str, Any]
) -> None:
    """pitfall 35"""
    machine.preview(lease, 0, webp())
    assert delete_previews() == 0
    machine.report(lease, *(machine.deliver(lease, slot, png(shade=slot)) for slot in range(3)))
    assert fresh(job).status == JobStatus.COMPLETED
    assert (delete_previews(), delete_previews()) == (1, 0)
    assert not Preview.objects.exists()


def test_its_owner_alone_can_look_at_it(
    machine: Machine, owner: User, job: Job, lease: dict[str, Any]
) -> None:
    """pitfall 24"""
    machine.preview(lease, 1, webp())
    address = f"/media/image/{job.slots[1].pk}/preview"
    mine, stranger = Client(), Client()
    mine.force_login(owner)
    stranger.force_login(make_user("mallory"))

    answer = mine.get(f"{address}?v=1")
    assert answer.content == bytes(Preview.objects.get().picture)
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("image/webp", "private, no-store")
    assert (answer["X-Content-Type-Options"], answer["Content-Security-Policy"]) == (
        "nosniff",
        "default-src 'none'; sandbox",
    )
    assert stranger.get(address).status_code == 404
    assert Client().get(address).status_code == 404
    assert mine.get(f"/media/image/{job.slots[0].pk}/preview").status_code == 404, "another slot has none"
    assert mine.get(f"/media/video/{job.slots[1].pk}/preview").status_code == 404
    assert mine.post(address).status_code == 405
