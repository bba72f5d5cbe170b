"""The digest of a model: the same for the same weights anywhere, another for any others."""

from __future__ import annotations

import json
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ourvidz_worker.engines.models import Lora, LoraOffer, ModelSettings
from ourvidz_worker.file_identity import WHOLE_BYTES, identity
from ourvidz_worker.model_digest import digest_of

MIB = 2**20


def save_weights(file: Path, *, seed: int, mib: int = 8, metadata: str = "") -> Path:
    """A .safetensors file of one tensor of noise."""
    header = json.dumps(
        {
            "__metadata__": {"title": metadata},
            "weight": {"dtype": "F16", "shape": [mib * MIB // 2], "data_offsets": [0, mib * MIB]},
        }
    ).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as content:
        content.write(len(header).to_bytes(8, "little") + header)
        noise = random.Random(seed)
        for _ in range(mib):
            content.write(noise.randbytes(MIB))
    return file


@pytest.fixture
def model(tmp_path: Path) -> ModelSettings:
    weights = save_weights(tmp_path / "film.safetensors", seed=1)
    lora = Lora(name="grain", file=str(save_weights(tmp_path / "grain.safetensors", seed=2, mib=1)))
    return ModelSettings(
        name="film",
        engine="sdxl",
        weights=str(weights),
        fixed={"steps": 8},
        offer={"loras": LoraOffer(choices=(lora,))},
        options={"precision": "float16", "offload": "model"},
    )


def test_the_same_files_elsewhere_have_the_same_digest(model: ModelSettings, tmp_path: Path) -> None:
    copy = shutil.copy(model.weights, tmp_path / "another-name.safetensors")
    elsewhere = replace(
        model, weights=str(copy), title="Film", options={"precision": "float16", "offload": "none"}
    )
    assert digest_of(elsewhere) == digest_of(model)
    assert len(digest_of(model)) == 64


def test_weights_of_the_same_layout_have_another_digest(model: ModelSettings, tmp_path: Path) -> None:
    """A fine-tuned model has the tensors, shapes and size of its base."""
    tuned = save_weights(tmp_path / "tuned.safetensors", seed=3)
    assert tuned.stat().st_size == Path(model.weights).stat().st_size
    assert digest_of(replace(model, weights=str(tuned))) != digest_of(model)


def test_what_changes_pictures_changes_the_digest(model: ModelSettings, tmp_path: Path) -> None:
    another = Lora(name="grain", file=str(save_weights(tmp_path / "other.safetensors", seed=4, mib=1)))
    others = [
        replace(model, fixed={"steps": 9}),
        replace(model, engine="wan"),
        replace(model, vae=model.weights),
        replace(model, loras=(another,)),
        replace(model, offer={"loras": LoraOffer(choices=(another,))}),
        replace(model, options={"precision": "bfloat16"}),
        replace(model, weights="somebody/model@1"),
        replace(model, weights="somebody/model@2"),
    ]
    assert len({digest_of(each) for each in (model, *others)}) == len(others) + 1


def test_a_folder_is_all_files_that_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_weights(folder / "unet" / "weights.safetensors", seed=1, mib=1)
    (folder / "model_index.json").write_text("{}")
    before = identity(str(folder))
    (folder / "preview.png").write_text("nothing that is loaded")
    assert identity(str(folder)) == before
    (folder / "unet" / "config.json").write_text('{"a": 1}')
    changed = identity(str(folder))
    assert changed != before
    (folder / "unet" / "config.json").write_text('{"a": 2}')
    assert identity(str(folder)) not in (before, changed)


@pytest.mark.parametrize("size", [0, 1, WHOLE_BYTES, WHOLE_BYTES + 1])
def test_a_file_of_any_size_has_one(tmp_path: Path, size: int) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"\xff" * size)
    assert len(identity(str(file))) == 64


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    assert identity(str(tmp_path / "nothing")) == ""
    assert identity(str(tmp_path)) == ""
    assert identity("somebody/model") == ""


def test_large_weights_are_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "large.safetensors"
    header = b'{"weight": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}'
    with file.open("wb") as content:
        content.write(len(header).to_bytes(8, "little") + header)
        content.truncate(200 * 2**30)
    began = time.monotonic()
    assert identity(str(file))
    seconds = time.monotonic() - began
    print(f"identity of 200 GiB: {seconds * 1000:.1f} ms")
    assert seconds < 5
