"""Whether a video has sound: measured, kept of results and of what is brought in, said by page and API."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.test import Client

from generation.jobs.report_rules import AssetReport
from generation.models import Asset, Worker
from ourvidz.management.commands.maintain import EVERY_ROUND
from tests.factories import call_back, complete, lease_next, make_job, upload
from tests.generation.test_imports import begin, send
from tests.generation.test_plans import plans
from tests.generation.video_kinds import video

SOUNDS = {
    "AAC": ({"sound": "aac"}, True),
    "Opus": ({"container": "webm", "codec": "libvpx", "sound": "libopus"}, True),
    "none": ({}, False),
}


def delivered(owner: User, worker: Worker, content: bytes) -> Asset:
    make_job(owner, "video_fast")
    job = lease_next(worker)
    sent = upload(job, 0, content)
    receipt = call_back(job, AssetReport(image_index=None, status="completed", upload_id=sent.pk))
    assert receipt.accepted == [None]
    return Asset.objects.get(job=job)


@pytest.mark.parametrize("name", SOUNDS)
def test_it_is_kept_and_said(owner: User, worker: Worker, name: str) -> None:
    made, has_audio = SOUNDS[name]
    asset = delivered(owner, worker, video(**made))
    assert asset.has_audio is has_audio

    client = Client()
    client.force_login(owner)
    assert client.get(f"/api/v1/videos/{asset.pk}").json()["has_audio"] is has_audio
    page = client.get(f"/library/video/{asset.pk}/").content.decode()
    assert f"<dt>Sound</dt><dd>{'yes' if has_audio else 'none'}</dd>" in page


@pytest.mark.parametrize("name", SOUNDS)
def test_it_is_kept_of_what_is_brought_in(owner: User, name: str) -> None:
    made, has_audio = SOUNDS[name]
    (job,) = begin(owner, "film", media="video")
    assert send(owner, job, video(**made)).has_audio is has_audio


def test_a_chore_measures_what_is_from_before_newest_first(owner: User, worker: Worker) -> None:
    """Pitfall 45: one that cannot be read stops nobody; of that nothing is known."""
    oldest, lost, newest = (delivered(owner, worker, video(**made)) for made, _ in SOUNDS.values())
    complete(make_job(owner, quantity=1), worker)  # an image
    Asset.objects.update(has_audio=None)
    default_storage.delete(lost.file.name)

    def known() -> list[bool | None]:
        return [Asset.objects.get(pk=each.pk).has_audio for each in (newest, lost, oldest)]

    sounds = EVERY_ROUND["sounds_measured"]
    assert sounds() == 1
    assert known() == [False, None, None]
    assert sounds() == 1, "the one that is lost ends no round"
    assert known() == [False, None, True]
    assert sounds() == 0
    assert Asset.objects.filter(media="image", has_audio=None).count() == 1


def test_what_is_to_be_measured_is_read_from_an_index(owner: User, worker: Worker) -> None:
    complete(make_job(owner, quantity=1), worker)
    (plan,) = plans(EVERY_ROUND["sounds_measured"])
    assert "asset_unknown_sound" in plan


def test_a_video_from_before_says_nothing(owner: User, worker: Worker) -> None:
    asset = delivered(owner, worker, video(sound="aac"))
    Asset.objects.filter(pk=asset.pk).update(has_audio=None)
    client = Client()
    client.force_login(owner)
    assert "<dt>Sound</dt>" not in client.get(f"/library/video/{asset.pk}/").content.decode()
    assert client.get(f"/api/v1/videos/{asset.pk}").json()["has_audio"] is None


def test_an_image_has_none(owner: User) -> None:
    (asset,) = complete(make_job(owner))
    assert asset.has_audio is None
    with pytest.raises(IntegrityError), transaction.atomic():
        Asset.objects.filter(pk=asset.pk).update(has_audio=False)
