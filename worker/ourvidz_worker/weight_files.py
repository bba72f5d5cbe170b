"""Weight files on this machine: their format and size, found out without loading them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from ourvidz_worker.safetensors_files import is_complete, loaded_bytes

# The file that identifies each kind of folder; an adapter is a file itself.
MARKER_FILES = {
    "model": "model_index.json",
    "image model": "model_index.json",
    "enhancer": "config.json",
    "image encoder": "config.json",
}
READ_SUFFIXES = (".json", ".model", ".safetensors", ".txt")


def split_hub_name(location: str) -> tuple[str, str]:
    """Splits `owner/name/some/folder` into the repository and the path inside it."""
    owner, _, rest = location.partition("/")
    name, _, inside = rest.partition("/")
    return f"{owner}/{name}", inside


def is_on_disk(location: str) -> bool:
    """Whether there is such a file or folder here, readable or not; otherwise it may be a hub name."""
    try:
        Path(location).stat()
    except PermissionError:
        return True
    except (OSError, ValueError):  # there is none, or there can be none of such a name
        return False
    return True


def read_problem(location: str) -> str:
    """What of this file or folder may not be read, and why; empty if all of it may."""
    path = Path(location)
    try:
        path.stat()
        folders = [path, *(each for each in path.iterdir() if each.is_dir())] if path.is_dir() else []
        files = [file for folder in folders for file in folder.iterdir()] if folders else [path]
        for file in files:
            if file.suffix in READ_SUFFIXES:
                file.open("rb").close()
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    return ""


def format_problem(about: str, location: str) -> str:
    """Why this location holds no model, enhancer and so on; empty if it does, or if it does not exist."""
    if not is_on_disk(location):
        return ""
    if problem := read_problem(location):
        return problem
    path, marker = Path(location), MARKER_FILES.get(about)
    if marker is None:
        if not path.is_file() or path.suffix != ".safetensors":
            return f"{location} is no .safetensors file"
        return "" if is_complete(path) else f"{location} is incomplete"
    if not (path / marker).is_file():
        return f"{location} is no folder in diffusers' format: it has no {marker}"
    if not weight_files(location):
        return f"{location} has no .safetensors files"
    return next((f"{file} is incomplete" for file in weight_files(location) if not is_complete(file)), "")


def weight_files(location: str) -> list[Path]:
    """The files that will be read. Raises OSError."""
    folder = Path(location)
    if folder.is_file():
        return [folder]
    found = (*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors"))
    names = [file.relative_to(folder).as_posix() for file in found]
    is_pipeline = (folder / "model_index.json").is_file()
    return [folder / name for name in weight_names(names, is_pipeline=is_pipeline)]


def weight_names(names: Iterable[str], *, is_pipeline: bool) -> list[str]:
    """Of the files of a folder, those that will be read: of a part in two precisions, the wider one.

    A pipeline's folder may hold the same weights once more, as one file for other programs.
    """
    depth = 2 if is_pipeline else 1
    found = [name for name in names if name.endswith(".safetensors") and len(PurePath(name).parts) == depth]
    full_precision = [name for name in found if ".fp16" not in PurePath(name).name]
    folders = {PurePath(name).parent for name in full_precision}
    return full_precision + [name for name in found if PurePath(name).parent not in folders]


def part_sizes(location: str, float_bytes: int | None = None) -> list[int]:
    """The size of each part of a pipeline in bytes: a part moves to the GPU as a whole.

    With `float_bytes` it is the size in memory, of numbers of so many bytes each. Nothing is known of what
    cannot be read.
    """
    parts: dict[Path, int] = {}
    try:
        for file in weight_files(location) if location else []:
            size = file.stat().st_size if float_bytes is None else loaded_bytes(file, float_bytes)
            parts[file.parent] = parts.get(file.parent, 0) + size
    except OSError:
        return []
    return list(parts.values())
