"""Weights as people have them: halved, mixed, cut short by an interrupted copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from tests.engines.jobs import Make, job


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
def test_a_truncated_file_is_an_error_in_one_line(models: Path, tmp_path: Path, part: str) -> None:
    copy = shutil.copytree(models / "sdxl", tmp_path / "sdxl")
    (file,) = (copy / part).glob("*.safetensors")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineUnusable, match="cannot be used") as refused:
        create_engine(EngineSettings(engine="sdxl", model=str(copy))).load()
    assert "\n" not in str(refused.value)


def test_a_truncated_enhancer_is_an_error_in_one_line(models: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(models / "words", tmp_path / "words")
    (file,) = copy.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    settings = EngineSettings(engine="wan", model=str(models / "wan"), enhancer=str(copy))
    with pytest.raises(EngineUnusable, match="cannot be used"):
        create_engine(settings).load()


def test_fp16_parts_beside_a_full_precision_vae_are_read(models: Path, tmp_path: Path, sdxl: Make) -> None:
    """The usual swap of a VAE that can do with half precision."""
    copy = shutil.copytree(models / "sdxl", tmp_path / "sdxl")
    for part in ("unet", "text_encoder", "text_encoder_2"):
        (file,) = (copy / part).glob("*.safetensors")
        file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    make = Make(engine="sdxl", model=str(copy))
    assert make.results(job())[0].media == sdxl.results(job())[0].media
