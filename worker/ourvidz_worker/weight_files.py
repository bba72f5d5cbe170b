"""Weight files on this machine: their format and size, found out without loading them."""

from __future__ import annotations

from pathlib import Path

# The file that identifies each kind of folder; an adapter is a file itself.
MARKER_FILES = {
    "model": "model_index.json",
    "image model": "model_index.json",
    "enhancer": "config.json",
    "image encoder": "config.json",
}


def split_hub_name(location: str) -> tuple[str, str]:
    """Splits `owner/name/some/folder` into the repository and the path inside it."""
    owner, _, rest = location.partition("/")
    name, _, inside = rest.partition("/")
    return f"{owner}/{name}", inside


def format_problem(about: str, location: str) -> str:
    """Why this location holds no model, enhancer and so on; empty if it does, or if it does not exist."""
    path = Path(location)
    if not path.exists():
        return ""
    marker = MARKER_FILES.get(about)
    if marker is None:
        is_fit = path.is_file() and path.suffix == ".safetensors"
        return "" if is_fit else f"{location} is no .safetensors file"
    if not (path / marker).is_file():
        return f"{location} is no folder in diffusers' format: it has no {marker}"
    return "" if weight_files(location) else f"{location} has no .safetensors files"


def is_cached(about: str, location: str) -> bool:
    """Whether the hub's cache on this machine has these weights."""
    from huggingface_hub import try_to_load_from_cache

    repository, inside = split_hub_name(location)
    marker = MARKER_FILES.get(about)
    name = inside if marker is None else f"{inside}/{marker}".lstrip("/")
    try:
        return isinstance(try_to_load_from_cache(repository, name), str)
    except ValueError:  # no repository has such a name
        return False


def weight_files(location: str) -> list[Path]:
    """The files that will be read: of a part in two precisions, those with the wider one."""
    folder = Path(location)
    if folder.is_file():
        return [folder]
    # A pipeline's folder may hold the same weights once more, as one file for other programs.
    is_pipeline = (folder / "model_index.json").is_file()
    files_found = list(folder.glob("*/*.safetensors" if is_pipeline else "*.safetensors"))
    full_precision = [file for file in files_found if ".fp16" not in file.name]
    folders = {file.parent for file in full_precision}
    return full_precision + [file for file in files_found if file.parent not in folders]


def total_size(location: str) -> int:
    """The size of all weights in bytes; 0 if there are none."""
    return sum(part_sizes(location))


def part_sizes(location: str) -> list[int]:
    """The size of each part of a pipeline in bytes: a part moves to the GPU as a whole."""
    files_found = weight_files(location) if location else []
    folders = {file.parent for file in files_found}
    return [sum(file.stat().st_size for file in files_found if file.parent == part) for part in folders]
