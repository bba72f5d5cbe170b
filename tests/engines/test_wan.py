"""Wan's real pipelines: films and single frames, from a prompt or from one that is enhanced first."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ourvidz_worker.errors import Halted
from tests.engines.jobs import Make, decoded, drawing, film, job, pixels, read_back


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
    expected = {"Seed": "0", "Steps": "2", "Sampler": "UniPC", "Shift": "5.0", "Frames": "9", "FPS": "16"}
    assert expected.items() <= pairs.items()


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


def test_an_enhanced_film_tells_its_prompt(wan: Make) -> None:
    wanted = film(enhance=True)
    made = wan.results(wanted)[0]
    metadata = wan.engine.job_metadata(wanted)
    prompt, _, _ = read_back(decoded(made.media)[1]["comment"])
    assert metadata["enhanced_prompt"] == prompt != "a lighthouse at dusk"
    assert "enhancing" in [stage for _, stage in wan.progress]
    assert metadata["stages"]["enhancing"] > 0
    wan.results(wanted)
    assert wan.engine.job_metadata(wanted)["enhanced_prompt"] == prompt


def test_a_plain_film_has_no_enhanced_prompt(wan: Make) -> None:
    wanted = film(frames=1)
    wan.results(wanted)
    assert "enhanced_prompt" not in wan.engine.job_metadata(wanted)


def test_the_enhanced_prompt_fits_the_text_encoder(wan: Make) -> None:
    tokenizer = wan.engine._text.tokenizer
    long = "waves and gulls. " * 200
    short = wan.engine.truncate_prompt(long)
    assert len(tokenizer(long).input_ids) > 512 >= len(tokenizer(short).input_ids)
    assert short.endswith("gulls.")
    assert wan.engine.truncate_prompt("a lighthouse") == "a lighthouse"


def test_a_truncated_prompt_is_noted(wan: Make, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = film(prompt="waves and gulls. " * 60, frames=1)
    wan.results(wanted)
    (note,) = wan.engine.job_metadata(wanted)["notes"]
    assert note.endswith(" tokens; the model reads the first 512")
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["note"]) == ("prompt_cut", note)
    assert "gulls" not in str(line)
    wan.results(film(frames=1))
    assert "notes" not in wan.engine.job_metadata(film())


@pytest.mark.parametrize(
    "other", [{"negative_prompt": "sunshine"}, {"negative_prompt": ""}, {"guidance": 1.5}, {"guidance": 1.0}]
)
def test_what_should_not_be_there_and_how_much_matter(wan: Make, other: dict[str, Any]) -> None:
    one = film(media="image", frames=1, fps=0)
    guidance = other.get("guidance", one.parameters.guidance)
    changed = replace(
        one,
        negative_prompt=other.get("negative_prompt", one.negative_prompt),
        parameters=replace(one.parameters, guidance=guidance),
    )
    assert not np.array_equal(*(pixels(wan.results(each)[0]) for each in (one, changed)))


def test_it_names_the_weights_that_made_it(wan: Make) -> None:
    plain, from_frame = wan.results(film())[0], wan.results(film(drawing("start_frame")))[0]
    for made, name in ((plain, "wan"), (from_frame, "wan-start")):
        assert made.metadata["model"] == name
        assert read_back(decoded(made.media)[1]["comment"])[2]["Model"] == name
    assert "enhancer" not in wan.engine.job_metadata(film())
    wanted = film(enhance=True, frames=1)
    wan.results(wanted)
    assert wan.engine.job_metadata(wanted)["enhancer"] == "words"


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
