"""Weight files on this machine: their format and size, found out without loading them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path, PurePath

from ourvidz_worker.safetensors_files import is_complete, loaded_bytes

# The file that identifies each kind of folder; an adapter is a file itself.
MARKER_FILES = {
    "model": "model_index.json",
    "image model": "model_index.json",
    "enhancer": "config.json",
    "embedder": "config.json",
    "image encoder": "config.json",
    "VAE": "config.json",
    "transformer": "config.json",
    "transformer 2": "config.json",
}
FILE_SUFFIXES = (".safetensors", ".gguf")
READ_SUFFIXES = (".json", ".model", ".safetensors", ".txt")


def split_hub_name(location: str) -> tuple[str, str]:
    """Splits `owner/name/some/folder@revision` into the repository and the path inside it."""
    owner, _, rest = location.partition("@")[0].partition("/")
    name, _, inside = rest.partition("/")
    return f"{owner}/{name}", inside


def split_revision(location: str) -> tuple[str, str]:
    """Splits `owner/name/inside@revision`; the revision is empty where none is named, or for a path."""
    if is_on_disk(location):
        return location, ""
    name, _, revision = location.partition("@")
    return name, revision


def is_single_file(location: str) -> bool:
    """Whether this names a file of weights, here or on the hub, rather than a folder."""
    return split_revision(location)[0].endswith(FILE_SUFFIXES)


def half_variant(names: Iterable[str]) -> str | None:
    """`fp16` if a part of a pipeline, with files named `part/file`, has its weights in no other variant."""
    parts: dict[str, list[str]] = {}
    for name in names:
        part, _, file = name.partition("/")
        if file.endswith(".safetensors") and "/" not in file:
            parts.setdefault(part, []).append(file)
    return "fp16" if any(all(".fp16" in file for file in files) for files in parts.values()) else None


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


def part_sizes(location: str, float_bytes: int | None = None, *, without: Container[str] = ()) -> list[int]:
    """The size of each part of a pipeline in bytes: a part moves to the GPU as a whole.

    With `float_bytes` it is the size in memory, of numbers of so many bytes each. `without`: parts that are
    not loaded. Nothing is known of what cannot be read.
    """
    parts: dict[Path, int] = {}
    try:
        for file in weight_files(location) if location else []:
            size = file.stat().st_size if float_bytes is None else loaded_bytes(file, float_bytes)
            if file.parent.name not in without or file.parent == Path(location):
                parts[file.parent] = parts.get(file.parent, 0) + size
    except OSError:
        return []
    return list(parts.values())
