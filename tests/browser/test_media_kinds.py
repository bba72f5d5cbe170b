"""What Chromium shows of every kind of image and video that is accepted: the same as the tables say."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import Browser, Page

from generation.media.measure import measure
from generation.media.stripped import StrippedFile
from ourvidz_worker.engines import xmp
from ourvidz_worker.engines.mp4 import mp4
from ourvidz_worker.engines.png import png
from tests.generation import image_kinds, video_kinds
from tests.generation.image_kinds import TOLERANCE, difference
from tests.generation.pictures import encoded, plain

# An image or video from bytes, drawn on white as its first picture: its size, its length, its pixels.
SHOW = """
async ([bytes, type]) => {
  const body = Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0));
  const address = URL.createObjectURL(new Blob([body], { type }));
  const isVideo = type.startsWith("video/");
  const shown = document.createElement(isVideo ? "video" : "img");
  document.body.append(shown);
  const ready = new Promise((resolve, reject) => {
    if (isVideo) shown.requestVideoFrameCallback(resolve);
    else shown.addEventListener("load", resolve);
    shown.addEventListener("error", () => reject(new Error(shown.error?.message ?? "not shown")));
  });
  shown.muted = true;
  shown.preload = "auto";
  shown.src = address;
  await ready;
  const canvas = document.createElement("canvas");
  canvas.width = isVideo ? shown.videoWidth : shown.naturalWidth;
  canvas.height = isVideo ? shown.videoHeight : shown.naturalHeight;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(shown, 0, 0, canvas.width, canvas.height);
  const pixels = canvas.toDataURL("image/png").split(",")[1];
  if (isVideo) {  // at its end the player knows its length
    const ended = new Promise((resolve) => shown.addEventListener("seeked", resolve));
    shown.currentTime = shown.duration;
    await ended;
  }
  const answer = { duration: shown.duration ?? null, pixels };
  shown.remove();
  URL.revokeObjectURL(address);
  return answer;
}
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_page() as opened:
        yield opened


def shown(page: Page, content: bytes, content_type: str) -> tuple[Picture.Image, float | None]:
    answer: Any = page.evaluate(SHOW, [base64.b64encode(content).decode(), content_type])
    return Picture.open(io.BytesIO(base64.b64decode(answer["pixels"]))), answer["duration"]


IMAGES = [name for name, kind in image_kinds.KINDS.items() if not kind.moves]


@pytest.mark.parametrize("name", IMAGES)
def test_chromium_shows_the_image_that_the_table_says(page: Page, name: str) -> None:
    """Pitfall 42"""
    kind = image_kinds.KINDS[name]
    content = kind.made()
    measured = measure(io.BytesIO(content), media="image")
    picture, _ = shown(page, content, measured.content_type)
    assert picture.size == (measured.width, measured.height)
    assert difference(picture, kind.expected()) < TOLERANCE


VIDEOS = [name for name, kind in video_kinds.KINDS.items() if isinstance(kind, video_kinds.Shown)]


@pytest.mark.parametrize("name", VIDEOS)
def test_chromium_plays_the_video_that_the_table_says(page: Page, name: str) -> None:
    """Pitfall 42"""
    kind = video_kinds.KINDS[name]
    assert isinstance(kind, video_kinds.Shown)
    content = kind.made()
    measured = measure(io.BytesIO(content), media="video")
    picture, duration = shown(page, content, measured.content_type)
    assert picture.size == (measured.width, measured.height)
    assert difference(picture, kind.picture) < TOLERANCE
    assert duration == pytest.approx(measured.duration, abs=0.05)


SOUNDS = [name for name in VIDEOS if video_kinds.PLAYABLE.get(name) and video_kinds.PLAYABLE[name].has_audio]
HEAR = """
async ([bytes, type]) => {
  const body = Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0));
  const film = document.createElement("video");
  film.src = URL.createObjectURL(new Blob([body], { type }));
  film.muted = true;  // else the page must have been touched
  document.body.append(film);
  const ended = new Promise((resolve) => film.addEventListener("ended", resolve));
  await film.play();
  await ended;
  film.remove();
  return film.webkitAudioDecodedByteCount;
}
"""


@pytest.mark.parametrize("name", SOUNDS)
def test_chromium_decodes_the_sound_that_the_table_says(page: Page, name: str) -> None:
    content = video_kinds.KINDS[name].made()
    kind = measure(io.BytesIO(content), media="video").content_type
    assert page.evaluate(HEAR, [base64.b64encode(content).decode(), kind]) > 0


MARKED: dict[str, tuple[str, bytes]] = {
    "png": ("image/png", png(np.full((48, 64, 3), 90, np.uint8), parameters="a fox")),
    "mp4": ("video/mp4", mp4([np.full((48, 64, 3), 90, np.uint8)] * 16, width=64, height=48, fps=16)),
    "jpeg": ("image/jpeg", xmp.marked(encoded(plain(), "JPEG"), "image/jpeg")),
    "webp": ("image/webp", xmp.marked(encoded(plain(), "WEBP"), "image/webp")),
    "webm": ("video/webm", video_kinds.video("webm", "libvpx-vp9", sound="libopus")),
    "mp4 with sound": ("video/mp4", xmp.marked(video_kinds.video(sound="aac"), "video/mp4")),
}


@pytest.mark.parametrize("name", MARKED)
def test_chromium_shows_what_is_marked_and_what_is_shared(page: Page, name: str) -> None:
    """The mark changes nothing of the picture, and no more does stripping it of all but the mark."""
    content_type, content = MARKED[name]
    measured = measure(io.BytesIO(content), media=content_type.partition("/")[0])
    picture, duration = shown(page, content, content_type)
    assert picture.size == (measured.width, measured.height)
    if measured.duration:
        assert duration == pytest.approx(measured.duration, abs=0.05)
    stripped = StrippedFile(io.BytesIO(content), content_type).read()
    assert stripped != content
    again, lasts = shown(page, stripped, content_type)
    assert (again.tobytes(), lasts) == (picture.tobytes(), duration)
