"""Style and character references through diffusers' IP-Adapter: two kinds of weights, one image encoder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generation.catalog.job_types import POOLS
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import AssetError, Reference
from tests.engines.jobs import Make, drawing, job, pixels, read_back


def adapted(models: Path, **more: Any) -> dict[str, Any]:
    """Settings of a worker with both adapters."""
    return {
        "engine": "sdxl",
        "model": str(models / "sdxl"),
        "style_adapter": str(models / "style.safetensors"),
        "character_adapter": str(models / "character.safetensors"),
        "image_encoder": str(models / "clip"),
        **more,
    }


@pytest.fixture(scope="module")
def both(models: Path) -> Make:
    return Make(**adapted(models))


def made(make: Make, *references: Reference) -> Any:
    return pixels(make.results(job(*references))[0])


def apart(one: Any, other: Any) -> float:
    """Mean distance in levels."""
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize("kind", ["style", "character"])
def test_the_picture_follows_the_reference_and_its_strength(both: Make, kind: str) -> None:
    plain = made(both)
    dark, light = (made(both, drawing(kind, 1.0, shade)) for shade in (0, 255))
    faint = made(both, drawing(kind, 0.05))
    assert apart(dark, light) > 0.5
    assert apart(plain, dark) > 2 * apart(plain, faint) > 0


@pytest.mark.parametrize("kinds", [["style"], ["character"], ["style", "character"]])
def test_strength_zero_is_exactly_the_picture_without_it(both: Make, sdxl: Make, kinds: list[str]) -> None:
    """And so is a job without references on a worker that has adapters."""
    plain = made(sdxl)
    assert np.array_equal(made(both), plain)
    assert np.array_equal(made(both, *(drawing(kind, 0.0) for kind in kinds)), plain)


def test_each_has_weights_and_strength_of_its_own(both: Make) -> None:
    style, character = drawing("style", 0.8), drawing("character", 0.8)
    seen = [made(both, style), made(both, character), made(both, style, character)]
    seen.append(made(both, style, drawing("character", 0.3)))
    for number, one in enumerate(seen):
        for other in seen[:number]:
            assert apart(one, other) > 0.1


def test_they_go_with_a_composition(both: Make) -> None:
    composition = drawing("composition", 0.5)
    wanted = job(composition, drawing("style", 1.0), steps=4)
    with_style = pixels(both.results(wanted)[0])
    without = pixels(both.results(job(composition, steps=4))[0])
    assert with_style.shape == (96, 128, 3)
    assert apart(with_style, without) > 0.1


def test_a_slot_made_alone_has_the_pixels_it_has_in_the_batch_of_six(both: Make) -> None:
    references = (drawing("style", 0.7), drawing("character", 0.4))
    batch = both.results(job(*references, slots=6))
    alone = both.results(job(*references, slots=6, only=3))
    assert np.array_equal(pixels(alone[0]), pixels(batch[3]))
    assert len({result.media for result in batch}) == 6


def test_another_jobs_reference_is_not_remembered(both: Make) -> None:
    one = made(both, drawing("style", 1.0, 0))
    made(both, drawing("style", 1.0, 255))
    assert np.array_equal(made(both, drawing("style", 1.0, 0)), one)


def test_a_batch_uses_the_reference_too(models: Path, both: Make) -> None:
    three = Make(**adapted(models, batch=3))
    wanted = job(drawing("style", 0.7), slots=3)
    for one, other in zip(three.results(wanted), both.results(wanted), strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1


def test_without_guidance_too(both: Make) -> None:
    plain, styled = (
        pixels(both.results(job(*given, guidance=1.0))[0]) for given in ((), (drawing("style", 1.0),))
    )
    assert apart(plain, styled) > 0.1


def test_the_references_used_are_in_the_metadata(both: Make) -> None:
    (result,) = both.results(job(drawing("style", 0.7), drawing("character", 0.25)))
    assert result.metadata["references"] == {"style": 0.7, "character": 0.25}
    assert result.metadata["adapters"] == {"style": "style.safetensors", "character": "character.safetensors"}
    assert "adapters" not in both.results(job())[0].metadata
    with Image.open(io.BytesIO(result.media)) as picture:
        pairs = read_back(picture.info["parameters"])[2]
    assert (pairs["Style strength"], pairs["Character strength"]) == ("0.7", "0.25")


@pytest.mark.parametrize("kind", ["style", "character"])
def test_a_reference_that_is_no_picture_fails_the_slots(both: Make, kind: str) -> None:
    """pitfall 19"""
    outcomes = [each.outcome for each in both(job(Reference(kind, 0.5, "", b"not a picture"), slots=3))]
    assert len(outcomes) == 3
    assert {each.code for each in outcomes if isinstance(each, AssetError)} == {"reference_unreadable"}
    assert both.results(job())


def test_only_what_is_configured_is_offered(models: Path, both: Make) -> None:
    fast = {pool for pool in both.engine.pools if pool.startswith("sdxl_image_fast")}
    assert fast == {
        f"sdxl_image_fast{more}"
        for more in (
            *("", "+character", "+composition", "+style", "+character+composition", "+character+style"),
            *("+composition+style", "+character+composition+style"),
        )
    }
    assert set(both.engine.pools) <= set(POOLS), "as the server spells them"
    style_only = Make(**adapted(models, character_adapter="")).engine
    assert "sdxl_image_high+composition+style" in style_only.pools
    assert not any("character" in pool for pool in style_only.pools)


def test_out_of_memory_slices_no_attention_that_it_would_lose(models: Path) -> None:
    make = Make(**adapted(models))
    assert made(make).any()
    make.engine.placer.save_memory()
    dark, light = (made(make, drawing("style", 1.0, shade)) for shade in (0, 255))
    assert apart(dark, light) > 0.5


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"image_encoder": ""}, "--image-encoder"),
        ({"image_encoder": "/nowhere/clip"}, "no weights at '/nowhere/clip'"),
        ({"style_adapter": "/nowhere/style.safetensors"}, "no weights at"),
        ({"style_adapter": "{models}/style.bin"}, "no weights at"),
        ({"style_adapter": "{models}/sdxl/unet/diffusion_pytorch_model.safetensors"}, "holds no IP-Adapter"),
    ],
)
def test_weights_that_do_not_fit_are_an_error_in_one_line(
    models: Path, given: dict[str, str], sentence: str
) -> None:
    settings = {name: value.format(models=models) for name, value in given.items()}
    with pytest.raises(EngineUnusable, match=sentence) as refused:
        create_engine(EngineSettings(**adapted(models, **settings))).load()
    assert "\n" not in str(refused.value)
