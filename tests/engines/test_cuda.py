"""The same pipelines on a GPU, in half precision; skipped with a word where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ourvidz_worker.engines.base import Result
from tests.engines.jobs import Make, decoded, drawing, film, job, pixels
from tests.engines.test_adapters import adapted


@pytest.fixture(autouse=True)
def _cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")


@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_sdxl(models: Path, offload: str) -> None:
    """Text to image, image to image, style and character: alone what they are in the batch."""
    make = Make(**adapted(models, device="cuda", offload=offload))
    style, character = drawing("style", 0.8), drawing("character", 0.6)
    for references in ((), (drawing("composition"),), (style,), (style, character)):
        batch = make.results(job(*references, slots=3))
        assert make.results(job(*references, slots=3, only=2))[0].media == batch[2].media
        assert all(pixels(made).std() > 1 for made in batch)
        assert make.shown
    metadata = make.engine.job_metadata(job())
    assert metadata["memory_peak_mib"] > 0
    assert "GiB" in metadata["device"]


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_each_precision_makes_pictures(models: Path, precision: str) -> None:
    for engine, wanted in (("sdxl", job()), ("wan", film(media="image", frames=1, fps=0))):
        make = Make(engine=engine, model=str(models / engine), device="cuda", precision=precision)
        (made,) = make.results(wanted)
        assert made.metadata["precision"] == precision
        assert pixels(made).std() > 1


@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_a_long_prompt(models: Path, offload: str) -> None:
    """Its pieces are read where the text encoders are at that moment."""
    make = Make(engine="sdxl", model=str(models / "sdxl"), device="cuda", offload=offload)
    gold, silver = (job(prompt=f"{'waves and gulls ' * 12}{end}") for end in ("gold", "silver"))
    assert make.results(gold)[0].media == make.results(gold)[0].media != make.results(silver)[0].media


def test_wan(models: Path) -> None:
    """Film, image, start frame, start and end frame, enhancement."""
    make = Make(
        engine="wan",
        model=str(models / "wan"),
        image_model=str(models / "wan-start"),
        enhancer=str(models / "words"),
        device="cuda",
        offload="model",
    )
    start, end = drawing("start_frame"), drawing("end_frame", shade=255)
    wanted = (film(), film(media="image", frames=1, fps=0), film(start), film(start, end), film(enhance=True))
    for each in wanted:
        (made,) = make.results(each)
        assert make.results(each)[0].media == made.media
        assert is_picture(made)


@pytest.mark.parametrize("attention", ["math", "flash", "sage", "xformers"])
def test_wan_uses_the_attention_chosen(models: Path, attention: str) -> None:
    package = {"flash": "flash_attn", "sage": "sageattention", "xformers": "xformers"}.get(attention)
    if package:
        pytest.importorskip(package)
    make = Make(engine="wan", model=str(models / "wan"), device="cuda", attention=attention)
    (made,) = make.results(film())
    assert make.results(film())[0].media == made.media
    assert is_picture(made)


def test_wan_with_one_model_for_both(models: Path) -> None:
    make = Make(engine="wan", model=str(models / "wan-both"), device="cuda")
    plain, started = (make.results(film(*given, height=64))[0] for given in ((), (drawing("start_frame"),)))
    assert is_picture(plain)
    assert is_picture(started)
    assert plain.media != started.media


@pytest.mark.parametrize("image_model", ["wan-2.1-start", "wan-2.1-between", "wan-2.2-start"])
def test_each_kind_of_weights_for_frames(models: Path, image_model: str) -> None:
    make = Make(engine="wan", model=str(models / "wan"), image_model=str(models / image_model), device="cuda")
    end = (drawing("end_frame"),) if image_model == "wan-2.1-between" else ()
    assert is_picture(make.results(film(drawing("start_frame"), *end))[0])


def is_picture(made: Result) -> bool:
    """Not black, as a picture of invalid numbers would be."""
    if made.duration is None:
        return bool(pixels(made).std() > 1)
    return all(frame.std() > 1 for frame in decoded(made.media)[0])
