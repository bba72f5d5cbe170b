"""Weights as they lie on this machine, looked at without loading them."""

from __future__ import annotations

from pathlib import Path

# The file by which each kind of folder is known; an adapter is a file itself.
MARKS = {
    "model": "model_index.json",
    "image model": "model_index.json",
    "enhancer": "config.json",
    "image encoder": "config.json",
}


def on_hub(where: str) -> tuple[str, str]:
    """`owner/name/some/folder` as the repository and what is named in it."""
    owner, _, rest = where.partition("/")
    name, _, inside = rest.partition("/")
    return f"{owner}/{name}", inside


def misfit(about: str, where: str) -> str:
    """Why what lies there is no model, enhancer and so on; empty when it is, or where nothing lies."""
    path = Path(where)
    if not path.exists():
        return ""
    mark = MARKS.get(about)
    if mark is None:
        is_fit = path.is_file() and path.suffix == ".safetensors"
        return "" if is_fit else f"{where} is no .safetensors file"
    if not (path / mark).is_file():
        return f"{where} is no folder in diffusers' format: it has no {mark}"
    return "" if files(where) else f"{where} has no .safetensors files"


def is_cached(about: str, where: str) -> bool:
    """Whether the hub's cache on this machine has it."""
    from huggingface_hub import try_to_load_from_cache

    repository, inside = on_hub(where)
    mark = MARKS.get(about)
    name = inside if mark is None else f"{inside}/{mark}".lstrip("/")
    try:
        return isinstance(try_to_load_from_cache(repository, name), str)
    except ValueError:  # no repository has such a name
        return False


def files(where: str) -> list[Path]:
    """The weights there that are read: of a part in two precisions, the wider."""
    folder = Path(where)
    if folder.is_file():
        return [folder]
    # Beside a pipeline's parts there may be the same weights once more, as one file for other programs.
    is_pipeline = (folder / "model_index.json").is_file()
    found = list(folder.glob("*/*.safetensors" if is_pipeline else "*.safetensors"))
    wide = [file for file in found if ".fp16" not in file.name]
    parts = {file.parent for file in wide}
    return wide + [file for file in found if file.parent not in parts]


def size(where: str) -> int:
    """In bytes; 0 where nothing lies."""
    return sum(part_sizes(where))


def part_sizes(where: str) -> list[int]:
    """In bytes, of each part of a pipeline: a part moves to the GPU as a whole."""
    found = files(where) if where else []
    parts = {file.parent for file in found}
    return [sum(file.stat().st_size for file in found if file.parent == part) for part in parts]
