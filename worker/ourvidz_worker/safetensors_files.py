"""What a .safetensors file holds, by its header alone: weights of tens of GB are not read for that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
MAX_HEADER_BYTES = 100_000_000  # what the format allows


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers of `dtype`, in the bytes from `begin` to `end` after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def count(self) -> int:
        return prod(self.shape)


def is_complete(file: Path) -> bool:
    """Whether the file is as long as its header says: a copy may have been interrupted. Raises OSError."""
    header = _read_header(file)
    if header is None:
        return False
    tensors, header_bytes = header
    return file.stat().st_size == header_bytes + max((each.end for each in tensors.values()), default=0)


def loaded_bytes(file: Path, float_bytes: int) -> int:
    """The size in memory, with numbers of `float_bytes` each. Raises OSError."""
    header = _read_header(file)
    if header is None:
        return file.stat().st_size
    sizes = (
        each.count * float_bytes if each.dtype in FLOATS else each.end - each.begin
        for each in header[0].values()
    )
    return sum(sizes)


def tensor_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """By name; empty if it is no such file. Raises OSError."""
    header = _read_header(file)
    return {name: each.shape for name, each in header[0].items()} if header else {}


def _read_header(file: Path) -> tuple[dict[str, Tensor], int] | None:
    """The tensors by name, and the bytes up to the first; None if it is no such file."""
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        text = content.read(length) if 0 < length <= MAX_HEADER_BYTES else b""
    try:
        entries = {name: each for name, each in json.loads(text).items() if name != "__metadata__"}
        tensors = {
            name: Tensor(str(each["dtype"]), tuple(map(int, each["shape"])), *map(int, each["data_offsets"]))
            for name, each in entries.items()
        }
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None
    return tensors, 8 + length
