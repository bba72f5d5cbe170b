"""Files that call themselves .safetensors and are not: each is said to be unusable, and none is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ourvidz_worker.safetensors_files import is_complete, loaded_bytes
from ourvidz_worker.single_files import checkpoint_problem, lora_problem


def tensor(**changed: Any) -> bytes:
    return json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2], **changed}}).encode()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        tensor(data_offsets=["x", "y"]),
        tensor(data_offsets=[0, 2, 3]),
        tensor(dtype=["F16"]),
        tensor(shape=5),
        tensor(shape=[float("inf")]),
    ],
    ids=["empty", "list", "deep", "no text", "texts", "three ends", "type", "number", "infinite"],
)
def test_a_header_that_is_none_is_named(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "film.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    assert not is_complete(file)
    assert loaded_bytes(file, 2) >= 0
    sentence = f"{file} is incomplete, or no .safetensors file"
    assert checkpoint_problem(str(file), has_vae=False) == sentence
    assert lora_problem(str(file), "sdxl") == sentence
