"""Models of the sketch engine: their settings and styles change the picture, and the file says so."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from generation.media.parameters.infotext import from_infotext
from generation.media.parameters.unused import unused
from ourvidz_worker.engines.chosen import resolve
from ourvidz_worker.engines.infotext import chosen_fields
from ourvidz_worker.engines.models import ChoiceOffer, Lora, LoraOffer, ModelSettings, NumberOffer
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.protocol import parse_job
from tests.worker.protocol_server import job_body

GRAIN = Lora(name="film-grain", file="")
PAPER = ModelSettings(
    name="paper",
    offer={
        "steps": NumberOffer(lowest=2, highest=12, default=12, is_whole=True),
        "guidance": NumberOffer(lowest=0, highest=6, default=2, is_whole=False),
        "detail": NumberOffer(lowest=0, highest=1, default=0.5, is_whole=False),
        "palette": ChoiceOffer(choices=("natural", "mono", "sepia", "pastel", "vivid"), default="natural"),
        "loras": LoraOffer(
            choices=(GRAIN, *(Lora(name=name, file="") for name in ("ink", "canvas", "glow")))
        ),
    },
)


def drawn(by: ModelSettings = PAPER, negative_prompt: str = "", **parameters: Any) -> tuple[Any, str]:
    """The pixels, and the text of the file."""
    body = {**job_body(width=128, height=96, **parameters), "negative_prompt": negative_prompt}
    job = resolve(parse_job(body), by)
    (made,) = SketchEngine(model=by).generate(job, lambda share, stage: None, lambda: False)
    with Image.open(io.BytesIO(made.outcome.media)) as picture:  # type: ignore[union-attr]
        return np.asarray(picture.convert("RGB"), np.int16), picture.info["parameters"]


def chosen(**settings: Any) -> tuple[Any, str]:
    return drawn(**{"model": "paper", "steps": 12, "guidance": 2.0, "loras": [], **settings})


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"steps": 2}, "Steps: 2"),
        ({"guidance": 5}, "CFG scale: 5"),
        ({"detail": 0.0}, "Detail: 0.0"),
        ({"palette": "mono"}, "Palette: mono"),
        ({"palette": "sepia"}, "Palette: sepia"),
        ({"loras": [{"name": "film-grain", "weight": 1.5}]}, 'Loras: "film-grain: 1.5"'),
        ({"loras": [{"name": "ink", "weight": 1}]}, 'Loras: "ink: 1"'),
        ({"loras": [{"name": "canvas", "weight": -0.5}]}, 'Loras: "canvas: -0.5"'),
        ({"loras": [{"name": "glow", "weight": 2}]}, 'Loras: "glow: 2"'),
    ],
)
def test_a_setting_changes_the_picture_and_is_in_its_file(choice: dict[str, Any], said: str) -> None:
    plain, _ = chosen()
    pixels, text = chosen(**choice)
    assert np.abs(pixels - plain).mean() > 0.5
    assert said in text
    assert "Model: paper" in text
    assert (chosen(**choice)[0] == pixels).all()


def test_a_file_names_the_scheduler_as_it_was_chosen() -> None:
    """By the sampler's name, which is of several schedulers, it could not be chosen again."""
    offer = {"scheduler": ChoiceOffer(choices=("euler", "dpmpp_2m"), default="euler")}
    film = ModelSettings(name="film-xl", engine="sdxl", offer=offer)
    job = resolve(parse_job(job_body(model="film-xl", scheduler="dpmpp_2m")), film)
    assert chosen_fields(job, film)["Scheduler"] == "dpmpp_2m"


def test_a_loras_weight_is_how_much_of_it_is_seen() -> None:
    plain, _ = chosen()
    little, much = (
        np.abs(chosen(loras=[{"name": "film-grain", "weight": weight}])[0] - plain).mean()
        for weight in (0.5, 2)
    )
    assert 0 < 2 * little < much


def test_what_the_operator_fixed_is_in_the_file_too() -> None:
    model = ModelSettings(name="inked", fixed={"palette": "mono", "negative": "fog"}, loras=(GRAIN,))
    pixels, text = drawn(model, model="inked")
    assert "Palette: mono" in text
    assert 'Loras: "film-grain: 1"' in text
    assert "Negative prompt: fog" in text
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    assert spread.max() <= 1


@pytest.mark.parametrize("typed", ["", "blurry, text", "two\nlines", "fog lamps"])
@pytest.mark.parametrize("fixed", ["fog", "fog, (rain:1.2)", '"fog"'])
def test_a_fixed_negative_prompt_is_told_from_what_was_typed(fixed: str, typed: str) -> None:
    model = ModelSettings(name="clear", fixed={"negative": fixed})
    _, text = drawn(model, model="clear", negative_prompt=typed)
    assert f"Negative prompt: {fixed}" in text
    found = from_infotext(text)
    assert found
    assert found.negative_prompt == typed
    assert unused(found) == []
    whole = ", ".join(filter(None, [fixed, typed]))  # what is read from a file that does not name it
    assert drawn(model, model="clear", negative_prompt=whole)[1] == text


def test_a_worker_without_models_draws_what_it_always_drew() -> None:
    pixels, text = drawn(ModelSettings(is_default=True))
    assert "Model: sketch" in text
    assert not {"Loras", "Steps", "Palette"} & set(text.replace(":", " ").split())
    job = parse_job(job_body(width=128, height=96))
    (made,) = SketchEngine().generate(job, lambda share, stage: None, lambda: False)
    with Image.open(io.BytesIO(made.outcome.media)) as picture:  # type: ignore[union-attr]
        assert (np.asarray(picture.convert("RGB")) == pixels).all()


def test_a_film_has_the_look_in_each_frame() -> None:
    """A film in grey, from the model that fixes it."""
    model = ModelSettings(name="grey", fixed={"palette": "mono"})
    body = job_body(width=96, height=64, media="video", frames=4, fps=8, model="grey")
    job = resolve(parse_job(body), model)
    (made,) = SketchEngine(model=model).generate(job, lambda share, stage: None, lambda: False)
    with av.open(io.BytesIO(made.outcome.media), "r") as film:  # type: ignore[union-attr, call-overload]
        frames = [
            frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(film.streams.video[0])
        ]
        comment = film.metadata["comment"]
    assert len(frames) == 4
    assert max((frame.max(axis=2) - frame.min(axis=2)).max() for frame in frames) <= 6
    assert "Palette: mono" in comment
