"""`ourvidz-worker check` on weights: how much of them is read, and where it must fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ourvidz_worker.check import _check_memory, _check_weights
from ourvidz_worker.configuration import Configuration
from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.settings import EngineSettings

MIB = 2**20


def save_weight_files(folder: Path, **parts: int) -> Path:
    """A pipeline of parts of so many MiB, and beside them everything once more in one file."""
    for part, size in parts.items():
        (folder / part).mkdir(parents=True)
        with (folder / part / "model.safetensors").open("wb") as file:
            file.truncate(size * MIB)
    with (folder / "all_in_one.safetensors").open("wb") as file:
        file.truncate(sum(parts.values()) * MIB)
    (folder / "model_index.json").touch()
    return folder


@pytest.mark.parametrize(
    ("device", "room", "offload", "lacking"),
    [
        ("cuda", 700, "none", []),
        ("cuda", 500, "none", ["memory"]),
        ("cuda", 700, "model", []),
        ("cuda", 500, "model", []),
        ("cuda", 300, "model", ["memory"]),
        ("cuda", 300, "sequential", []),
        ("cpu", 700, "none", ["memory"]),
    ],
)
def test_what_must_fit_depends_on_where_weights_wait(
    device: str, room: int, offload: str, lacking: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pipelines of 600 and 500 MiB, whose largest part has 400; beside a GPU there are 1200 MiB."""
    size = {"SC_PAGE_SIZE": MIB, "SC_PHYS_PAGES": 1200 if device == "cuda" else room}
    monkeypatch.setattr(os, "sysconf", {**size, "SC_AVPHYS_PAGES": 1}.__getitem__)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1, room * MIB))
    settings = EngineSettings(
        engine="wan",
        model=str(save_weight_files(tmp_path / "text", transformer=400, vae=50, text_encoder=150)),
        image_model=str(save_weight_files(tmp_path / "image", transformer=400, vae=100)),
        offload=offload,  # type: ignore[arg-type] # as the table says it
    )
    found = {each.about: each.problem for each in _check_memory(settings, Placement(device, torch.float32))}
    assert [about for about, problem in found.items() if problem] == lacking


def test_too_little_main_memory_is_reported_beside_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = {"SC_PAGE_SIZE": MIB, "SC_PHYS_PAGES": 500, "SC_AVPHYS_PAGES": 1}
    monkeypatch.setattr(os, "sysconf", size.__getitem__)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1, 900 * MIB))
    settings = EngineSettings(engine="sdxl", model=str(save_weight_files(tmp_path / "sdxl", unet=600)))
    found = {each.about: each.problem for each in _check_memory(settings, Placement("cuda", torch.float32))}
    assert [about for about, problem in found.items() if problem] == ["main memory"]


@pytest.mark.parametrize(
    ("about", "name", "sentence"),
    [
        ("model", "juggernaut.safetensors", "no folder in diffusers' format"),
        ("model", "", "it has no model_index.json"),
        ("enhancer", "", "it has no config.json"),
        ("style adapter", "style.bin", "no .safetensors file"),
        ("style adapter", "", "no .safetensors file"),
    ],
)
def test_what_would_be_refused_is_not_ok(about: str, name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "juggernaut.safetensors").touch()
    (tmp_path / "style.bin").touch()
    config = Configuration("", "", "", 0.0, 0.0, None, EngineSettings(engine="sdxl"))
    assert sentence in _check_weights(about, str(tmp_path / name), config).problem


def test_a_part_in_half_precision_counts_beside_a_wide_one(tmp_path: Path) -> None:
    """The usual swap: a VAE in full precision among parts that are halved."""
    model = save_weight_files(tmp_path / "sdxl", unet=300, vae=100)
    (model / "unet" / "model.safetensors").rename(model / "unet" / "model.fp16.safetensors")
    config = Configuration("", "", "", 0.0, 0.0, None, EngineSettings(engine="sdxl", model=str(model)))
    assert _check_weights("model", str(model), config).answer.endswith("0.4 GiB")


@pytest.mark.parametrize(
    ("about", "named", "file"),
    [
        ("model", "owner/name", "model_index.json"),
        ("style adapter", "owner/name/sdxl_models/style.safetensors", "sdxl_models/style.safetensors"),
        ("image encoder", "owner/name/models/encoder", "models/encoder/config.json"),
    ],
)
def test_what_the_hub_gave_before_is_found(
    about: str, named: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0" * 40
    cached = tmp_path / "models--owner--name"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots" / commit / file).parent.mkdir(parents=True)
    (cached / "snapshots" / commit / file).write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = Configuration("", "", "", 0.0, 0.0, None, EngineSettings(engine="sdxl"))
    assert "fetched before" in _check_weights(about, named, config).answer
    assert "no folder" in _check_weights(about, named.replace("name", "other"), config).problem
