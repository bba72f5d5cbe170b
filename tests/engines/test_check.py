"""`ourvidz-worker check` on weights: how much of them is read, and where it must fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ourvidz_worker.check import _memory, _weights
from ourvidz_worker.configuration import Configuration
from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.settings import EngineSettings

MIB = 2**20


def stored(folder: Path, **parts: int) -> Path:
    """A pipeline of parts of so many MiB, and beside them everything once more in one file."""
    for part, size in parts.items():
        (folder / part).mkdir(parents=True)
        with (folder / part / "model.safetensors").open("wb") as file:
            file.truncate(size * MIB)
    with (folder / "all_in_one.safetensors").open("wb") as file:
        file.truncate(sum(parts.values()) * MIB)
    (folder / "model_index.json").touch()
    return folder


def problems(settings: EngineSettings) -> dict[str, str]:
    return {each.about: each.problem for each in _memory(settings, Placement("cpu", torch.float32))}


@pytest.mark.parametrize(
    ("room", "offload", "lacking"),
    [
        (700, "none", []),
        (500, "none", ["memory"]),
        (700, "model", []),
        (500, "model", ["main memory"]),
        (300, "model", ["memory", "main memory"]),
        (300, "sequential", ["main memory"]),
    ],
)
def test_what_must_fit_depends_on_where_weights_wait(
    room: int, offload: str, lacking: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline of 600 MiB whose largest part has 400."""
    pages = {"SC_PAGE_SIZE": MIB, "SC_PHYS_PAGES": room, "SC_AVPHYS_PAGES": room}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    model = stored(tmp_path / "sdxl", unet=400, vae=50, text_encoder=150)
    found = problems(EngineSettings(engine="sdxl", model=str(model), offload=offload))  # type: ignore[arg-type] # of a table
    assert [about for about, problem in found.items() if problem] == lacking


def test_a_part_in_half_precision_counts_beside_a_wide_one(tmp_path: Path) -> None:
    """The usual swap: a VAE in full precision among parts that are halved."""
    model = stored(tmp_path / "sdxl", unet=300, vae=100)
    (model / "unet" / "model.safetensors").rename(model / "unet" / "model.fp16.safetensors")
    chosen = Configuration("", "", "", 0.0, None, EngineSettings(engine="sdxl", model=str(model)))
    assert _weights("model", str(model), chosen).answer.endswith("0.4 GiB")


def test_what_the_hub_gave_before_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0" * 40
    cached = tmp_path / "models--owner--name"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots" / commit).mkdir(parents=True)
    (cached / "snapshots" / commit / "model_index.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    chosen = Configuration("", "", "", 0.0, None, EngineSettings(engine="sdxl"))
    assert "fetched before" in _weights("model", "owner/name", chosen).answer
    assert "no folder" in _weights("model", "owner/other", chosen).problem
