"""SDXL's prompts: long, negative and empty ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.jobs import Make, drawing, job, pixels

WORDS = "waves and gulls " * 12  # a token a letter: more than two pieces


def generate(make: Make, prompt: str, negative: str = "", **more: Any) -> Any:
    return pixels(make.results(replace(job(prompt=prompt, **more), negative_prompt=negative))[0])


def test_what_comes_after_token_77_is_read(sdxl: Make) -> None:
    gold, silver = (generate(sdxl, f"{WORDS}{end}") for end in ("gold", "silver"))
    assert not np.array_equal(gold, silver)
    assert np.array_equal(generate(sdxl, f"{WORDS}gold"), gold)


@pytest.mark.parametrize("negative", ["", "fog", f"{WORDS}fog"])
def test_both_prompts_are_read_as_far_as_they_go(sdxl: Make, negative: str) -> None:
    made = [generate(sdxl, prompt, negative) for prompt in ("a lighthouse", f"{WORDS}gold")]
    others = [generate(sdxl, prompt, f"{WORDS}haze") for prompt in ("a lighthouse", f"{WORDS}gold")]
    for one, other in zip(made, others, strict=True):
        assert not np.array_equal(one, other)


def test_a_prompt_in_one_piece_is_read_as_the_pipeline_reads_it(sdxl: Make) -> None:
    """The pieces' own way gives what diffusers gives, where both can."""
    import torch

    from ourvidz_worker.engines.diffusion.prompts import _encode

    pipeline = sdxl.engine._text
    with torch.inference_mode():
        some, pooled = _encode(pipeline, "a lighthouse", 1)
        expected, _, expected_pooled, _ = pipeline.encode_prompt("a lighthouse")
    assert torch.equal(some, expected)
    assert torch.equal(pooled, expected_pooled)


def test_a_long_prompt_goes_with_batches_and_a_composition(models: Path) -> None:
    three = Make(engine="sdxl", model=str(models / "sdxl"), batch=3)
    long: dict[str, Any] = {"prompt": f"{WORDS}gold", "slots": 3}
    assert len({made.media for made in three.results(job(**long))}) == 3
    assert len({made.media for made in three.results(job(drawing("composition"), **long))}) == 3
    assert three.results(job(guidance=1.0, **long))


@contextmanager
def trained(make: Make, *, zeros: bool) -> Iterator[None]:
    """Weights that were, or were not, shown zeros for no prompt."""
    pipelines = make.engine._text, make.engine._image
    before = make.engine._text.config.force_zeros_for_empty_prompt
    try:
        for each in pipelines:
            each.register_to_config(force_zeros_for_empty_prompt=zeros)
        yield
    finally:
        for each in pipelines:
            each.register_to_config(force_zeros_for_empty_prompt=before)


@pytest.mark.parametrize("prompt", ["a lighthouse", f"{WORDS}gold"])
def test_no_negative_prompt_is_what_the_weights_were_trained_with(sdxl: Make, prompt: str) -> None:
    """SDXL's base model was shown zeros, others an empty text."""
    zeros = generate(sdxl, prompt)
    with trained(sdxl, zeros=False):
        empty = generate(sdxl, prompt)
    assert not np.array_equal(zeros, empty)


def test_image_to_image_takes_nothing_as_text_to_image_does(models: Path, tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(models / "sdxl")
    pipeline.register_to_config(force_zeros_for_empty_prompt=False)
    pipeline.save_pretrained(tmp_path)
    engine = Make(engine="sdxl", model=str(tmp_path)).engine
    assert engine._image.config.force_zeros_for_empty_prompt is False


def test_what_should_not_be_there_matters(sdxl: Make) -> None:
    fog, sun, nothing = (generate(sdxl, "a lighthouse", negative) for negative in ("fog", "sunshine", ""))
    assert not np.array_equal(fog, sun)
    assert not np.array_equal(fog, nothing)


def test_nothing_is_hidden_in_the_picture(models: Path, sdxl: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Diffusers puts a watermark into it where the package for that is installed."""
    from diffusers.pipelines.stable_diffusion_xl import (
        pipeline_stable_diffusion_xl,
        pipeline_stable_diffusion_xl_img2img,
    )

    class Mark:
        def apply_watermark(self, image: Any) -> Any:
            return 1 - image

    for module in (pipeline_stable_diffusion_xl, pipeline_stable_diffusion_xl_img2img):
        monkeypatch.setattr(module, "is_invisible_watermark_available", lambda: True)
        monkeypatch.setattr(module, "StableDiffusionXLWatermarker", Mark, raising=False)
    make = Make(engine="sdxl", model=str(models / "sdxl"))
    for references in ((), (drawing("composition"),)):
        assert make.results(job(*references))[0].media == sdxl.results(job(*references))[0].media
