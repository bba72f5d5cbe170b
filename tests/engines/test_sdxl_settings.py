"""What an operator fixes for a model of SDXL, and what its users choose: schedulers, prompts, guidance."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ourvidz_worker.engines.models import ChoiceOffer, ModelSettings, NumberOffer, Offered, Value
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make, drawing, job, pixels, read_back, result

SAMPLERS = {
    "euler": "Euler",
    "euler_karras": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "dpm2_a": "DPM2 a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_karras": "DPM++ 2M SDE",
    "ddim": "DDIM",
    "unipc": "UniPC",
    "deis": "DEIS",
    "lcm": "LCM",
    "tcd": "TCD",
}


def number(lowest: float, highest: float, default: float, *, is_whole: bool = False) -> NumberOffer:
    return NumberOffer(lowest=lowest, highest=highest, default=default, is_whole=is_whole)


@pytest.fixture(scope="module")
def made(models: Path) -> Make:
    offer: dict[str, Offered] = {
        "steps": number(1, 12, 3, is_whole=True),
        "guidance": number(0, 9, 5),
        "guidance_rescale": number(0, 1, 0),
        "clip_skip": number(0, 3, 0, is_whole=True),
        "scheduler": ChoiceOffer(choices=tuple(SAMPLERS), default="euler"),
        "spacing": ChoiceOffer(choices=("leading", "linspace", "trailing"), default="leading"),
    }
    return Make(ModelSettings(name="m", engine="sdxl", weights=str(models / "sdxl"), offer=offer))


def picture(make: Make, *references: Any, **parameters: Any) -> Any:
    return pixels(make.modelled(job(*references, **{"model": "m", "steps": 3, **parameters}))[0])


def about(media: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(media)) as file:
        return read_back(file.info["parameters"])[2]


def test_every_scheduler_makes_its_own_picture(made: Make) -> None:
    pictures = {}
    for name, sampler in SAMPLERS.items():
        one = made.modelled(job(model="m", steps=3, scheduler=name))[0]
        again = made.modelled(job(model="m", steps=3, scheduler=name))[0]
        assert one.media == again.media, name
        assert about(one.media)["Sampler"] == sampler
        assert one.metadata["scheduler"] == name
        pictures[name] = pixels(one).tobytes()

    assert len(set(pictures.values())) == len(SAMPLERS)


@pytest.mark.parametrize("scheduler", ["euler_a", "dpmpp_2m_sde_karras", "lcm"])
def test_a_slot_made_alone_has_its_pixels_with_noise_added_too(made: Make, scheduler: str) -> None:
    """Schedulers that add noise draw it from the slot's own generator."""
    wanted: dict[str, Any] = {"model": "m", "scheduler": scheduler, "slots": 3}
    batch = made.modelled(job(**wanted))
    assert made.modelled(job(only=2, **wanted))[0].media == batch[2].media


def test_a_composition_goes_with_a_scheduler(made: Make) -> None:
    one, other = (picture(made, drawing("composition"), scheduler=each) for each in ("euler", "dpmpp_2m"))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "chosen",
    [
        {"guidance": 1.0},
        {"guidance_rescale": 0.7},
        {"spacing": "trailing"},
        {"steps": 4},
        {"clip_skip": 1},
        {"clip_skip": 3},
    ],
)
def test_what_is_chosen_changes_the_picture(made: Make, chosen: dict[str, Any]) -> None:
    one = made.modelled(job(**{"model": "m", "steps": 3, **chosen}))[0]
    assert not np.array_equal(pixels(one), picture(made))
    ((name, value),) = chosen.items()
    assert one.metadata[name] == value
    labels = {"guidance": "CFG scale", "guidance_rescale": "CFG Rescale", "spacing": "Schedule spacing"}
    label = labels.get(name, name.capitalize().replace("_", " "))
    assert about(one.media)[label] == str(value)


def test_no_guidance_is_the_same_below_one(made: Make) -> None:
    """Distilled models run with 0 or 1, which both mean one pass through the UNet."""
    assert np.array_equal(picture(made, guidance=0.0), picture(made, guidance=1.0))


def test_the_last_layer_but_one_is_sdxls_own(made: Make) -> None:
    assert np.array_equal(picture(made, clip_skip=2), picture(made, clip_skip=0))


def test_weights_of_words_are_read(made: Make) -> None:
    plain, more, less, none = (
        picture(made, prompt=f"a {word} lighthouse")
        for word in ("red", "(red:1.6)", "(red:0.4)", "(red:1.0)")
    )
    assert len({each.tobytes() for each in (plain, more, less)}) == 3
    assert np.abs(none - plain).max() <= 1, "a weight of 1 is none"
    assert np.array_equal(picture(made, prompt="a (red:1.6) lighthouse"), more)


def test_weights_in_the_negative_prompt_are_read(made: Make) -> None:
    one, other = (
        pixels(result(made(replace(job(), negative_prompt=text))[0])) for text in ("fog", "(fog:1.8)")
    )
    assert not np.array_equal(one, other)


def test_break_begins_a_new_chunk(made: Make) -> None:
    together, apart = (picture(made, prompt=f"a lighthouse{each}waves") for each in (" ", " BREAK "))
    assert not np.array_equal(together, apart)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a lighthouse (at dusk)", [[("a lighthouse (at dusk)", 1.0)]]),
        ("a (red:1.3) house", [[("a ", 1.0), ("red", 1.3), (" house", 1.0)]]),
        ("(a (b:1.2) c:1.5)", [[("a ", 1.5), ("b", 1.8), (" c", 1.5)]]),
        ("sea BREAK sky", [[("sea", 1.0)], [("sky", 1.0)]]),
        ("BREAKFAST", [[("BREAKFAST", 1.0)]]),
        (r"\(red:1.3\)", [[("(red:1.3)", 1.0)]]),
        ("a screen of (16:9)", [[("a screen of (16:9)", 1.0)]]),
        ("((a:1.1)", [[("(", 1.0), ("a", 1.1)]]),
        ("a) b (c", [[("a) b (c", 1.0)]]),
        ("", [[]]),
    ],
)
def test_prompts_are_read_as_they_are_meant(prompt: str, expected: list[list[tuple[str, float]]]) -> None:
    from ourvidz_worker.engines.diffusion.emphasis import fragments_by_chunk

    found = [[(each.text, round(each.weight, 6)) for each in chunk] for chunk in fragments_by_chunk(prompt)]
    assert found == expected


def test_what_the_operator_fixed_beats_the_job_type(models: Path) -> None:
    fixed: dict[str, Value] = {"steps": 2, "guidance": 1.0, "scheduler": "lcm", "negative": "blurry"}
    make = Make(ModelSettings(name="m", engine="sdxl", weights=str(models / "sdxl"), fixed=fixed))
    (one,) = make.modelled(job(model="m", steps=7, guidance=6.0))
    text = about(one.media)
    assert (text["Steps"], text["CFG scale"], text["Sampler"], text["Model"]) == ("2", "1.0", "LCM", "m")
    with Image.open(io.BytesIO(one.media)) as file:
        assert "blurry" in read_back(file.info["parameters"])[1]
    assert "blurry" in str(one.metadata["negative_prompt"])
    assert "fog" in str(one.metadata["negative_prompt"]), "what the user does not want is not lost"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"fixed": {"scheduler": "eulr"}}, "there is no scheduler 'eulr'; there are euler"),
        ({"fixed": {"shift": 3.0}}, "the engine sdxl has no setting shift"),
        (
            {"fixed": {"scheduler": "heun"}, "options": {"prediction": "v_prediction", "zero_snr": True}},
            "heun cannot begin at pure noise",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_named_before_the_first_job(
    models: Path, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(EngineUnusable, match=sentence):
        Make(ModelSettings(name="m", engine="sdxl", weights=str(models / "sdxl"), **more))


@pytest.mark.parametrize("scheduler", ["", "euler", "euler_a", "dpmpp_2m_karras", "ddim", "unipc", "lcm"])
def test_zero_terminal_snr_begins_at_pure_noise(models: Path, scheduler: str) -> None:
    from diffusers import EulerDiscreteScheduler

    from ourvidz_worker.engines.diffusion.schedulers import sdxl_scheduler, trained_for

    own = EulerDiscreteScheduler.from_pretrained(models / "sdxl" / "scheduler")
    zero = sdxl_scheduler(trained_for(own, "v_prediction", zero_snr=True), scheduler, "")
    assert zero.config.prediction_type == "v_prediction"
    assert float(zero.alphas_cumprod[-1]) < 1e-6
    zero.set_timesteps(4)
    assert int(zero.timesteps[0]) == 999
