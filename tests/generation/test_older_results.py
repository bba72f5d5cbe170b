"""What chores find out of results from before: what they cannot read stays unknown, and stops nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from generation.changes import feed
from generation.maintenance import small_thumbnails, unknown_sound
from generation.models import Asset, Worker
from ourvidz.management.commands.maintain import EVERY_ROUND, run_chores
from tests.generation.api.conftest import client_of
from tests.generation.test_sound import delivered
from tests.generation.video_kinds import video

CHORES = {"has_audio": "sounds_measured", "placeholder": "small_thumbnails_made"}


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILED: dict[str, Callable[[Path], object]] = {
    "not there, as a folder that is not mounted": Path.unlink,
    "not what it was": lambda path: path.write_bytes(b"nothing"),
    "refused by the disk": _make_folder,
}


@pytest.fixture
def old(owner: User, worker: Worker) -> list[Asset]:
    """Two videos as an older version left them, the newest first."""
    for sound in ("aac", ""):
        delivered(owner, worker, video(**({"sound": sound} if sound else {})))
    Asset.objects.update(has_audio=None, placeholder=None, small_thumbnail=None)
    return list(Asset.objects.order_by("-pk"))


def known(asset: Asset, field: str) -> object:
    return Asset.objects.values_list(field, flat=True).get(pk=asset.pk)


def rounds(field: str) -> int:
    return sum(run_chores({"it": EVERY_ROUND[CHORES[field]]}).get("it", 0) for _ in range(3))


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("field", CHORES)
def test_what_cannot_be_read_is_tried_again_after_the_others(
    old: list[Asset], field: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfalls 43 and 45."""
    newest, older = old
    path = Path(default_storage.path((newest.file if field == "has_audio" else newest.thumbnail).name))
    content = path.read_bytes()
    SPOILED[how](path)

    assert rounds(field) == 1
    assert known(newest, field) is None
    assert known(older, field) not in (None, "")
    if path.is_dir():
        path.rmdir()
    path.write_bytes(content)

    assert rounds(field) == 0, "not at once: a video is decoded in full"
    monkeypatch.setattr("generation.maintenance.older_results.AGAIN_SECONDS", 0)
    assert rounds(field) == 1
    assert known(newest, field) not in (None, "")


@pytest.mark.parametrize("field", CHORES)
def test_a_process_for_each_round_gets_past_it_too(old: list[Asset], field: str) -> None:
    """As `maintain --once` is: what was passed over before is not known to the next process."""
    newest, older = old
    Path(default_storage.path((newest.file if field == "has_audio" else newest.thumbnail).name)).unlink()
    chore = unknown_sound.videos if field == "has_audio" else small_thumbnails.results
    for _ in range(3):
        chore.start_over()
        run_chores({"it": EVERY_ROUND[CHORES[field]]})
    assert known(older, field) not in (None, "")


def test_a_full_disk_ends_the_round_and_not_the_chores(
    old: list[Asset], settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are what empties it."""
    kept = settings.STORAGES
    settings.STORAGES = kept | {"default": {"BACKEND": "tests.generation.storages.FullDisk"}}
    monkeypatch.setattr("tests.generation.storages.FullDisk.full_at", "small")

    assert rounds("placeholder") == 0

    settings.STORAGES = kept
    assert rounds("placeholder") == 2


def test_what_a_chore_found_out_of_sound_is_told(old: list[Asset], owner: User) -> None:
    """It was told to nobody who had the video before."""
    caller = client_of(owner)
    before = feed.position(owner.pk)
    tags = {path: caller.get(path)["ETag"] for path in ("/api/v1/assets", "/api/v1/jobs")}

    assert rounds("has_audio") == 2

    for path, tag in tags.items():
        assert caller.get(path, headers={"if-none-match": tag}).status_code == 200
    changes = caller.get(f"/api/v1/changes?after={before.revision}&epoch={before.epoch}").json()
    assert {each["id"]: each["has_audio"] for each in changes["videos"]} == {
        str(old[0].pk): False,
        str(old[1].pk): True,
    }


def test_what_is_under_way_elsewhere_is_not_written_again(old: list[Asset], owner: User) -> None:
    """No revision is taken for what is known already."""
    Asset.objects.filter(pk=old[0].pk).update(has_audio=True)
    before = feed.position(owner.pk).revision
    assert unknown_sound._measure(old[0]) == 0
    assert known(old[0], "has_audio") is True
    assert feed.position(owner.pk).revision == before
