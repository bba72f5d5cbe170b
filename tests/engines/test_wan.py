"""Wan's real pipelines: films, single frames, films from a frame, and between two."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from generation.job_types import POOLS
from ourvidz_worker.errors import Halted
from tests.engines.jobs import Make, drawing, film, job, pixels, read_back


def decoded(media: bytes) -> tuple[Any, dict[str, Any]]:
    with av.open(io.BytesIO(media), "r") as container:
        stream = container.streams.video[0]
        facts = {
            "codec": stream.codec_context.name,
            "pixels": stream.codec_context.pix_fmt,
            "rate": stream.average_rate,
            "comment": container.metadata.get("comment", ""),
        }
        frames = [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in container.decode(stream)]
    return frames, facts


def test_a_film_has_the_frames_rate_and_size_asked_for(wan: Make) -> None:
    made = wan.results(film())[0]
    frames, facts = decoded(made.media)
    assert len(frames) == 9
    assert frames[0].shape == (48, 64, 3)
    assert (facts["codec"], facts["pixels"], facts["rate"]) == ("h264", "yuv420p", 16)
    assert (made.width, made.height, made.duration) == (64, 48, 9 / 16)
    assert made.media.index(b"moov") < made.media.index(b"mdat")


def test_a_film_carries_its_parameters(wan: Make) -> None:
    facts = decoded(wan.results(film())[0].media)[1]
    prompt, negative, pairs = read_back(facts["comment"])
    assert (prompt, negative) == ("a lighthouse at dusk", "fog")
    told = {"Seed": "0", "Steps": "2", "Sampler": "UniPC", "Shift": "5.0", "Frames": "9", "FPS": "16"}
    assert told.items() <= pairs.items()


def test_the_same_seed_gives_the_same_film(wan: Make) -> None:
    assert wan.results(film())[0].media == wan.results(film())[0].media


def test_the_shift_reaches_the_solver(wan: Make) -> None:
    assert wan.results(film(shift=5.0))[0].media != wan.results(film(shift=1.0))[0].media


def test_an_image_is_one_frame(wan: Make) -> None:
    made = wan.results(film(media="image", frames=1, fps=0))[0]
    assert made.content_type == "image/png"
    assert pixels(made).shape == (48, 64, 3)
    with Image.open(io.BytesIO(made.media)) as picture:
        assert read_back(picture.info["parameters"])[2]["Seed"] == "0"


def test_a_film_starts_from_its_start_frame(wan: Make) -> None:
    plain, dark, light = (
        wan.results(film(*references))[0].media
        for references in ((), (drawing("start_frame"),), (drawing("start_frame", shade=255),))
    )
    frames, _ = decoded(dark)
    assert len(frames) == 9
    assert len({plain, dark, light}) == 3


def test_a_film_runs_between_its_first_and_its_last_frame(wan: Make) -> None:
    """Random weights hardly look at the last frame, so this looks at what they are shown."""
    start = drawing("start_frame")
    shown = []
    hook = wan.engine._image.transformer.register_forward_pre_hook(
        lambda _, positional, named: shown.append(named["hidden_states"][0, 16:].clone()), with_kwargs=True
    )
    try:
        made = wan.results(film(start, drawing("end_frame"), steps=1))[0]
        wan.results(film(start, steps=1))
    finally:
        hook.remove()
    both, alone = shown[0], shown[-1]
    assert len(decoded(made.media)[0]) == 9
    known = both[:4].amax(dim=(2, 3))  # the mask: which of the four frames of a moment are given
    assert known.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert both[4:, 0].equal(alone[4:, 0])
    assert not both[4:, 2].equal(alone[4:, 2])


def test_it_offers_frames_only_where_it_has_the_weights(wan: Make, models: Path) -> None:
    assert "video_fast+start_frame" in wan.engine.pools
    assert "video7b_high_enhanced+end_frame+start_frame" in wan.engine.pools
    assert set(wan.engine.pools) <= set(POOLS), "as the server spells them"
    plain = Make(engine="wan", model=str(models / "wan")).engine
    assert set(plain.pools) == {"image_fast", "image_high", "video_fast", "video_high"}


def test_a_model_that_serves_both_takes_a_start_frame_only(models: Path) -> None:
    both = Make(engine="wan", model=str(models / "wan-both"))
    assert "video_fast+start_frame" in both.engine.pools
    assert not any("end_frame" in pool for pool in both.engine.pools)
    assert decoded(both.results(film())[0].media)[0]
    one, other = (both.results(film(drawing("start_frame", shade=shade)))[0].media for shade in (0, 200))
    assert one != other


def test_an_enhanced_film_tells_its_prompt(wan: Make) -> None:
    wanted = film(enhance=True)
    made = wan.results(wanted)[0]
    told = wan.engine.job_metadata(wanted)
    prompt, _, _ = read_back(decoded(made.media)[1]["comment"])
    assert told["enhanced_prompt"] == prompt != "a lighthouse at dusk"
    assert "enhancing" in [stage for _, stage in wan.progress]
    assert told["stages"]["enhancing"] > 0
    wan.results(wanted)
    assert wan.engine.job_metadata(wanted)["enhanced_prompt"] == prompt


def test_a_plain_film_has_no_enhanced_prompt(wan: Make) -> None:
    wanted = film(frames=1)
    wan.results(wanted)
    assert "enhanced_prompt" not in wan.engine.job_metadata(wanted)


def test_the_enhanced_prompt_fits_the_text_encoder(wan: Make) -> None:
    tokenizer = wan.engine._text.tokenizer
    long = "waves and gulls. " * 200
    short = wan.engine.fit_prompt(long)
    assert len(tokenizer(long).input_ids) > 512 >= len(tokenizer(short).input_ids)
    assert short.endswith("gulls.")
    assert wan.engine.fit_prompt("a lighthouse") == "a lighthouse"


def test_sdxl_prompts_would_fit_its_smaller_encoders(sdxl: Make) -> None:
    short = sdxl.engine.fit_prompt("waves and gulls " * 50)
    assert len(sdxl.engine._text.tokenizer(short).input_ids) <= 77


def test_a_cancel_stops_the_enhancer(wan: Make) -> None:
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(Halted):
        wan(job(enhance=True), stop)
    assert len(asked) < 10


def test_a_film_is_seen_becoming_clear(wan: Make) -> None:
    wan.results(film(steps=3))
    assert [slot for slot, _ in wan.shown] == [0, 0, 0]
    assert {picture.shape for _, picture in wan.shown} == {(6, 8, 3)}, "a pixel for each latent of one frame"
    wan.results(film(drawing("start_frame")))
    assert len(wan.shown) == 2
