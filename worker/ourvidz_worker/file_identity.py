"""What identifies weights without reading all of their gigabytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ourvidz_worker.safetensors_files import MAX_HEADER_BYTES

SAMPLES, SAMPLE_BYTES = 64, 4096
WHOLE_BYTES = 4 * 2**20  # a file of at most this size is read as a whole
READ_SUFFIXES = (".bin", ".gguf", ".json", ".model", ".safetensors", ".txt")


def identity(location: str) -> str:
    """A SHA-256 over the files of a folder, or over one file: empty if there is none or it cannot be read.

    Of each file: its name inside the folder, its size, and its content. Of a large file the content is what
    comes before the tensors (their names, types and shapes) and 64 pieces of 4 KiB, evenly spread: two models
    of the same layout have the same header, and a fine-tuned one differs everywhere.
    """
    path, digest = Path(location), hashlib.sha256()
    try:
        files = list(_files(path))
        for file in files:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.suffix
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
            for piece in _pieces(file):
                digest.update(piece)
    except (OSError, ValueError):
        return ""
    return digest.hexdigest() if files else ""


def _files(path: Path) -> Iterator[Path]:
    """Those that engines read, in the order of their names: of a folder, and of the folders in it."""
    if not path.is_dir():
        yield path
        return
    found = (*path.glob("*"), *path.glob("*/*"))
    yield from sorted(file for file in found if file.suffix in READ_SUFFIXES and file.is_file())


def _pieces(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as content:
        if size <= WHOLE_BYTES:
            yield content.read()
            return
        if file.suffix == ".safetensors":
            length = content.read(8)
            yield length + content.read(min(int.from_bytes(length, "little"), MAX_HEADER_BYTES))
        for number in range(SAMPLES):
            content.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            yield content.read(SAMPLE_BYTES)
