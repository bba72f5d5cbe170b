"""Where the weights and files of a model are: on this machine, or on the hub."""

from __future__ import annotations

import re
from pathlib import Path

from ourvidz_worker.model_file.table import InvalidModel
from ourvidz_worker.weight_files import is_on_disk

# OWNER/NAME, with what is inside the repository and, last, the revision.
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(/[\w .-]+)*(@[\w./-]{1,100})?")
FILE_SUFFIXES = (".safetensors", ".gguf", ".ckpt", ".json")  # of no repository's name


def locate(text: str, folder: Path, place: str) -> str:
    """The path of this file or folder, or the hub's name for it. `folder`: that of the worker's file.

    Whether the hub has it is known only to `check` and to the engine, which may fetch it.
    """
    if found := _on_disk(text, folder):
        return found
    if not HUB_NAME.fullmatch(text) or (text.count("/") == 1 and text.endswith(FILE_SUFFIXES)):
        raise InvalidModel(f"{place}: there is no {text or 'empty name'}")
    return text


def locate_file(text: str, folder: Path, place: str, suffix: str = "") -> str:
    """As `locate`, for a file, which must have this suffix. With no suffix it must be on this machine."""
    if suffix and not text.partition("@")[0].endswith(suffix):
        raise InvalidModel(f"{place}: {text} is no {suffix} file")
    location = locate(text, folder, place)
    path = Path(location)
    if path.is_dir():
        raise InvalidModel(f"{place}: {location} is a folder, not a file")
    is_inside_repository = suffix and location.count("/") >= 2  # OWNER/NAME/FILE
    if not path.is_file() and not is_inside_repository:
        raise InvalidModel(f"{place}: there is no file {text}")
    return location


def _on_disk(text: str, folder: Path) -> str:
    """The path, seen from the worker's file or else from where it was started; empty if there is none."""
    if not text or "\0" in text:
        return ""
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # no such user
        return ""
    for candidate in (folder / path, path):
        if is_on_disk(str(candidate)):
            return str(candidate)
    return ""
