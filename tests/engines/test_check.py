"""`ourvidz-worker check` on weights: how much of them is read, and where it must fit."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ourvidz_worker.check import _check_memory
from ourvidz_worker.cli import main
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.weights_check import inspect, inspect_weights

MIB = 2**20
UNET = "diffusion_pytorch_model.safetensors"


def save_weights(file: Path, mib: int, dtype: str = "F32") -> None:
    """A .safetensors file of so many MiB, of which the disk holds nothing but the header."""
    file.parent.mkdir(parents=True, exist_ok=True)
    count = mib * MIB // (4 if dtype == "F32" else 2)
    header = json.dumps({"weight": {"dtype": dtype, "shape": [count], "data_offsets": [0, mib * MIB]}})
    with file.open("wb") as content:
        content.write(len(header).to_bytes(8, "little") + header.encode())
        content.truncate(8 + len(header) + mib * MIB)


def save_weight_files(
    folder: Path, class_name: str = "WanPipeline", dtype: str = "F32", **parts: int
) -> Path:
    """A pipeline of parts of so many MiB, and beside them everything once more in one file."""
    for part, size in parts.items():
        save_weights(folder / part / "model.safetensors", size, dtype)
    save_weights(folder / "all_in_one.safetensors", sum(parts.values()), dtype)
    index = {"_class_name": class_name, **{part: ["diffusers", "Part"] for part in parts}}
    (folder / "model_index.json").write_text(json.dumps(index | {"image_encoder": [None, None]}))
    return folder


def memory_problems(settings: EngineSettings, placement: Placement) -> list[str]:
    """What is too small."""
    weights = list(inspect_weights(settings, 4 if placement.precision == torch.float32 else 2))
    return [each.about for each in _check_memory(weights, settings.offload, placement) if each.problem]


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
    assert memory_problems(settings, Placement(device, torch.float32)) == lacking


def test_too_little_main_memory_is_reported_beside_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = {"SC_PAGE_SIZE": MIB, "SC_PHYS_PAGES": 500, "SC_AVPHYS_PAGES": 1}
    monkeypatch.setattr(os, "sysconf", size.__getitem__)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1, 900 * MIB))
    settings = EngineSettings(engine="sdxl", model=str(save_weight_files(tmp_path / "sdxl", unet=600)))
    assert memory_problems(settings, Placement("cuda", torch.float32)) == ["main memory"]


@pytest.mark.parametrize(("dtype", "lacking"), [("F32", []), ("BF16", ["memory"])])
def test_what_is_stored_in_half_precision_is_not_halved_again(
    dtype: str, lacking: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": MIB, "SC_PHYS_PAGES": 9000, "SC_AVPHYS_PAGES": 1}.get)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1, 500 * MIB))
    model = save_weight_files(tmp_path / "wan", dtype=dtype, transformer=600)
    settings = EngineSettings(engine="wan", model=str(model), offload="model")
    assert memory_problems(settings, Placement("cuda", torch.bfloat16)) == lacking


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
    assert sentence in inspect(about, str(tmp_path / name), EngineSettings(engine="sdxl"), 4).problem


def test_a_part_in_half_precision_counts_beside_a_wide_one(tmp_path: Path) -> None:
    """The usual swap: a VAE in full precision among parts that are halved."""
    model = save_weight_files(tmp_path / "sdxl", "StableDiffusionXLPipeline", unet=300, vae=100)
    (model / "unet" / "model.safetensors").rename(model / "unet" / "model.fp16.safetensors")
    found = inspect("model", str(model), EngineSettings(engine="sdxl"), 2)
    assert (found.problem, sum(found.sizes)) == ("", 200 * MIB)
    assert found.answer.endswith("0.4 GiB")


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
    place = cached / "snapshots" / commit / file
    if about == "model":
        save_weight_files(place.parent, "StableDiffusionXLPipeline", unet=3)
    else:
        save_weights(place if place.suffix == ".safetensors" else place.with_name("model.safetensors"), 3)
        place.touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    settings = EngineSettings(engine="sdxl")
    found = inspect(about, named, settings, 2)
    assert (found.problem, sum(found.sizes)) == ("", 3 * MIB // 2)
    assert "fetched before" in found.answer
    assert "no folder" in inspect(about, named.replace("name", "other"), settings, 2).problem


@pytest.mark.parametrize(
    ("engine", "about", "folder", "sentence"),
    [
        ("wan", "model", "sdxl", "holds a StableDiffusionXLPipeline, which the engine wan does not run"),
        ("sdxl", "model", "wan", "holds a WanPipeline, which the engine sdxl does not run"),
        ("wan", "model", "wan-start", "only starts from frames"),
        ("wan", "image model", "wan", "starts from no frame"),
        ("sdxl", "model", "sdxl", ""),
        ("wan", "model", "wan", ""),
        ("wan", "model", "wan-both", ""),
        ("wan", "image model", "wan-both", ""),
        ("wan", "image model", "wan-start", ""),
        ("wan", "image model", "wan-2.2-start", ""),
        ("wan", "image model", "wan-2.1-between", ""),
        ("wan", "enhancer", "words", ""),
        ("sdxl", "image encoder", "clip", ""),
    ],
)
def test_weights_of_another_kind_are_refused(
    models: Path, engine: str, about: str, folder: str, sentence: str
) -> None:
    """They passed, and the worker ended with an error of a library's."""
    problem = inspect(about, str(models / folder), EngineSettings(engine=engine), 4).problem
    assert sentence in problem if sentence else problem == ""


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "it has no vae"),
        (lambda folder: os.truncate(folder / "unet" / UNET, 5000), f"{UNET} is incomplete"),
        (lambda folder: os.truncate(folder / "unet" / UNET, 0), f"{UNET} is incomplete"),
        (lambda folder: (folder / "model_index.json").write_text("<html>"), "holds no pipeline"),
    ],
)
def test_an_interrupted_copy_is_refused(
    models: Path, tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    copy = shutil.copytree(models / "sdxl", tmp_path / "sdxl")
    spoil(copy)
    assert sentence in inspect("model", str(copy), EngineSettings(engine="sdxl"), 4).problem


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Those of pytest are its user's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("closed", ["", "unet", "model_index.json", f"unet/{UNET}"])
def test_weights_that_may_not_be_read_are_an_error_in_one_line(
    models: Path, public_folder: Path, closed: str
) -> None:
    """It was a traceback."""
    copy = shutil.copytree(models / "sdxl", public_folder / "sdxl")
    mode = (copy / closed).stat().st_mode
    settings = EngineSettings(engine="sdxl", model=str(copy))
    (copy / closed).chmod(0)
    try:
        with as_nobody():
            problem = inspect("model", str(copy), settings, 4).problem
            with pytest.raises(EngineUnusable, match="cannot be read: Permission denied") as refused:
                create_engine(settings).load()
    finally:
        (copy / closed).chmod(mode)
    assert "cannot be read: Permission denied" in problem
    assert "\n" not in str(refused.value)


def test_each_model_is_checked_under_its_name(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its LoRAs; and against the memory each alone."""
    (tmp_path / "film.safetensors").write_bytes(b"")
    file = tmp_path / "worker.toml"
    file.write_text(
        f"""
        spool = "{tmp_path}"
        [[models]]
        name = "film"
        engine = "wan"
        weights = "{models / "wan"}"
        [[models]]
        name = "wrong"
        engine = "wan"
        weights = "{models / "sdxl"}"
        loras = [{{file = "film.safetensors"}}]
        """
    )
    assert main(["check", "--config", str(file), "--device", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok       film: model:") for line in lines)
    assert any(line.startswith("ok       film: memory:") for line in lines)
    (wrong,) = [line for line in lines if " wrong: model:" in line]
    assert "which the engine wan does not run" in wrong
    (lora,) = [line for line in lines if " wrong: LoRA film:" in line]
    assert lora.startswith("FAIL")
    assert "is incomplete" in lora
