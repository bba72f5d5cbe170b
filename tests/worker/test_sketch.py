"""The sketch engine: its pictures are real and repeatable, its progress and metadata true."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from ourvidz_worker import __version__
from ourvidz_worker.engines.base import FinishedSlot, Result
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.engines.sketch.enhance import enhanced_prompt
from ourvidz_worker.engines.sketch.picture import Picture
from ourvidz_worker.engines.sketch.scene_parameters import LIGHT_WORDS
from ourvidz_worker.engines.sketch.scenes import SCENES
from ourvidz_worker.engines.sketch.stage import prompt_words
from ourvidz_worker.errors import Halted
from ourvidz_worker.protocol import AssetError, parse_job
from tests.worker.protocol_server import job_body

PROMPTS = (
    "a lighthouse and a boat on the coast at dusk",
    "mountain lake in winter",
    "autumn forest",
    "city skyline at night",
    "desert dunes",
    "the rings of saturn",
    "aurora over the fjord",
    "red flowers in a garden",
    "still life with a vase",
    "portrait of a woman",
)


def draw(prompt: str, seed: int, width: int = 256, height: int = 256) -> Any:
    return Picture(prompt, seed, width, height).still(lambda _: None)


def make(
    report: Callable[[float, str], None] = lambda share, stage: None,
    stop: Callable[[], bool] = lambda: False,
    *,
    pace: float = 0,
    **job: Any,
) -> list[FinishedSlot]:
    return list(SketchEngine(pace=pace).generate(parse_job(job_body(**job)), report, stop))


def result(finished: FinishedSlot) -> Result:
    assert isinstance(finished.outcome, Result)
    return finished.outcome


def test_the_prompts_here_reach_every_scene() -> None:
    assert {Picture(prompt, 1, 64, 64).scene.name for prompt in PROMPTS} == {scene.name for scene in SCENES}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_prompt_and_seed_give_the_same_pixels(prompt: str) -> None:
    assert np.array_equal(draw(prompt, 7), draw(prompt, 7))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_another_seed_gives_clearly_another_picture(prompt: str) -> None:
    """pitfall 9"""
    one, other = draw(prompt, 0).astype(int), draw(prompt, 1).astype(int)
    assert np.abs(one - other).mean() > 8


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_scene_is_a_picture_and_not_a_blank(prompt: str) -> None:
    pixels = draw(prompt, 3)
    assert pixels.std() > 12
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 2000


@pytest.mark.parametrize("prompt", ["", "日本語", "qwerty zxcvb", "a" * 4000])
def test_any_prompt_is_drawn(prompt: str) -> None:
    assert draw(prompt, 1).shape == (256, 256, 3)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("size", [(256, 640), (700, 257)])
def test_every_scene_fits_every_format(prompt: str, size: tuple[int, int]) -> None:
    assert draw(prompt, 2, *size).shape == (size[1], size[0], 3)


def test_an_image_has_the_size_that_was_asked_for() -> None:
    made = result(make(width=832, height=1216)[0])
    with Image.open(io.BytesIO(made.media)) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        assert image.size == (832, 1216) == (made.width, made.height)
    assert made.duration is None


@pytest.mark.parametrize("enhance", [False, True])
def test_a_picture_says_what_it_was_made_of(enhance: bool) -> None:
    """As those of the GPU engines do, in the text chunk where tools look for it."""
    prompt = "日本語, a lighthouse"
    job = replace(
        parse_job(job_body(width=256, height=192, slots=2, prompt=prompt, enhance=enhance)),
        negative_prompt="fog, rain",
    )
    prompt = enhanced_prompt(prompt) if enhance else prompt
    for finished in SketchEngine().generate(job, lambda *_: None, lambda: False):
        with Image.open(io.BytesIO(result(finished).media)) as picture:
            said = picture.info["parameters"]
        fields = f"Seed: {finished.slot.seed}, Size: 256x192, Model: sketch"
        version = f"Version: ourvidz-worker {__version__}"
        assert said == f"{prompt}\nNegative prompt: fog, rain\n{fields}, {version}"


def test_a_film_says_so_in_its_comment(tmp_path: Path) -> None:
    made = result(make(media="video", frames=3, fps=8, width=130, height=97, prompt="the sea")[0])
    with av.open(io.BytesIO(made.media)) as container:
        said = container.metadata["comment"]
    assert said.startswith("the sea\n")
    assert "Seed: 0, Size: 130x96, Model: sketch, " in said


def film(tmp_path: Path, name: str, **size: Any) -> tuple[Result, list[Any], Any]:
    made = result(make(media="video", frames=9, fps=16, **size)[0])
    path = tmp_path / name
    path.write_bytes(made.media)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        facts = (stream.codec_context.name, stream.pix_fmt, stream.average_rate, stream.width, stream.height)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    return made, frames, facts


def test_a_film_is_what_was_asked_for(tmp_path: Path) -> None:
    made, frames, facts = film(tmp_path, "film.mp4", width=256, height=320)
    assert facts == ("h264", "yuv420p", 16, 256, 320)
    assert len(frames) == 9
    assert made.duration == 9 / 16
    assert made.content_type == "video/mp4"


def test_a_film_starts_before_it_is_whole(tmp_path: Path) -> None:
    made, _, _ = film(tmp_path, "film.mp4")
    assert 0 < made.media.index(b"moov") < made.media.index(b"mdat")


def test_the_same_film_has_the_same_pixels_and_moves(tmp_path: Path) -> None:
    _, one, _ = film(tmp_path, "one.mp4")
    _, other, _ = film(tmp_path, "other.mp4")
    assert np.array_equal(one, other)
    assert np.abs(one[0].astype(int) - one[-1]).mean() > 0.3


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_scene_can_be_filmed(prompt: str) -> None:
    frames = list(Picture(prompt, 1, 256, 256).film(3, 8, lambda _: None))
    assert len(frames) == 3
    assert not np.array_equal(frames[0], frames[2])


def test_progress_only_grows_and_ends_with_the_last_slot() -> None:
    """pitfall 32"""
    reports: list[tuple[float, str]] = []
    make(lambda share, stage: reports.append((share, stage)), slots=3)
    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(set(shares)) > 12
    assert {stage for _, stage in reports} == {"sketching", "encoding"}


def test_a_pace_spreads_the_work_over_time() -> None:
    shares: list[float] = []
    started = time.monotonic()
    make(lambda share, stage: shares.append(share), pace=1.2)
    assert time.monotonic() - started >= 1.2
    assert len(set(shares)) >= 8


def test_it_stops_within_a_fifth_of_a_second() -> None:
    started = time.monotonic()
    asked = []

    def stop() -> bool:
        asked.append(time.monotonic())
        return time.monotonic() - started > 0.6

    with pytest.raises(Halted):
        make(stop=stop, pace=30)
    assert len(asked) > 4
    assert time.monotonic() - started < 2


def test_a_size_it_cannot_draw_is_a_clear_failure_of_the_slot() -> None:
    finished = make(width=4096)
    assert isinstance(finished[0].outcome, AssetError)
    assert finished[0].outcome.code == "unsupported_size"
    assert not finished[0].outcome.retryable


@pytest.mark.parametrize("prompt", PROMPTS)
def test_enhancing_a_prompt_changes_neither_its_scene_nor_its_light(prompt: str) -> None:
    added = prompt_words(enhanced_prompt(prompt).removeprefix(prompt))
    assert not added & LIGHT_WORDS
    assert Picture(enhanced_prompt(prompt), 1, 64, 64).scene == Picture(prompt, 1, 64, 64).scene


def test_an_enhanced_prompt_keeps_what_was_said() -> None:
    prompt = enhanced_prompt("a lighthouse at dusk.")
    assert prompt.startswith("a lighthouse at dusk, ")
    assert prompt == enhanced_prompt("a lighthouse at dusk.")
    assert Picture(prompt, 1, 64, 64).scene.name == "coast"
