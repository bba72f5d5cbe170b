"""The same pipelines on a GPU, in half precision; skipped with a word where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.jobs import Make, drawing, film, job
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
        assert make.shown
    told = make.engine.job_metadata(job())
    assert told["memory_peak_mib"] > 0
    assert "GiB" in told["device"]


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
        assert make.results(each)[0].media == make.results(each)[0].media


@pytest.mark.parametrize("attention", ["math", "flash", "sage", "xformers"])
def test_wan_computes_attention_as_told(models: Path, attention: str) -> None:
    package = {"flash": "flash_attn", "sage": "sageattention", "xformers": "xformers"}.get(attention)
    if package:
        pytest.importorskip(package)
    make = Make(engine="wan", model=str(models / "wan"), device="cuda", attention=attention)
    assert make.results(film())[0].media == make.results(film())[0].media


def test_wan_with_one_model_for_both(models: Path) -> None:
    make = Make(engine="wan", model=str(models / "wan-both"), device="cuda")
    assert make.results(film())[0].media != make.results(film(drawing("start_frame")))[0].media
