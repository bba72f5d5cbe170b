"""Weights on the hub, and in its cache on this machine, without fetching them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ourvidz_worker.weight_files import MARKER_FILES, split_hub_name, split_revision, weight_names

DIFFUSERS_TAG = "diffusers:"


@dataclass(frozen=True, slots=True)
class HubWeights:
    """`class_name` of the pipeline, if the hub knows it; `sizes`: bytes of each part."""

    class_name: str
    sizes: tuple[int, ...]


class HubProblem(Exception):
    """Why the weights cannot be had from the hub, in a sentence."""


def cached_location(about: str, location: str) -> str:
    """Where the hub's cache on this machine has these weights, all or some; empty if it has none."""
    from huggingface_hub import try_to_load_from_cache

    repository, inside = split_hub_name(location)
    marker = MARKER_FILES.get(about)
    name = inside if marker is None else f"{inside}/{marker}".lstrip("/")
    try:
        found = try_to_load_from_cache(repository, name, revision=split_revision(location)[1] or None)
    except ValueError:  # no repository has such a name
        return ""
    if not isinstance(found, str):
        return ""
    return found if marker is None else str(Path(found).parent)


def cached_commit(location: str) -> str:
    """The commit that the hub's cache on this machine has for this name and revision; empty if none."""
    revision = split_revision(location)[1] or "main"
    folder = cache_folder(split_hub_name(location)[0])
    with suppress(OSError, ValueError):
        is_commit = (folder / "snapshots" / revision).is_dir()
        commit = revision if is_commit else (folder / "refs" / revision).read_text().strip()
        return commit if commit and (folder / "snapshots" / commit).is_dir() else ""
    return ""


def cache_folder(repository: str) -> Path:
    """Where the hub's cache keeps it; the layout is documented by huggingface_hub."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def hub_weights(about: str, location: str) -> HubWeights:
    """Asks the hub. Raises HubProblem."""
    from huggingface_hub import get_token

    _, inside = split_hub_name(location)
    info = _model_info(location)
    if info.gated and not get_token():
        raise HubProblem(f"{location} is given to those who accept its terms on the hub: set HF_TOKEN")
    files = {each.rfilename: each.size or 0 for each in info.siblings or ()}
    class_name = next((tag for tag in info.tags or () if tag.startswith(DIFFUSERS_TAG)), "")
    return HubWeights(class_name.removeprefix(DIFFUSERS_TAG), _sizes(about, location, inside, files))


def hub_file_names(location: str) -> list[str]:
    """The names of the repository's files. Raises HubProblem."""
    return [each.rfilename for each in _model_info(location).siblings or ()]


def _model_info(location: str) -> Any:
    from huggingface_hub import HfApi

    repository, _ = split_hub_name(location)
    revision = split_revision(location)[1] or None
    try:
        return HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=20)
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise HubProblem(f"{location} cannot be had from the hub: {first_line[:200]}") from error


def _sizes(about: str, location: str, inside: str, files: dict[str, int]) -> tuple[int, ...]:
    marker = MARKER_FILES.get(about)
    if marker is None:
        if inside not in files:
            raise HubProblem(f"the hub has no file {location}")
        return (files[inside],)
    prefix = f"{inside}/" if inside else ""
    if prefix + marker not in files:
        raise HubProblem(f"{location} is not in diffusers' format on the hub: it has no {marker}")
    inner = {name.removeprefix(prefix): size for name, size in files.items() if name.startswith(prefix)}
    parts: dict[PurePath, int] = {}
    for name in weight_names(inner, is_pipeline=marker == "model_index.json"):
        parts[PurePath(name).parent] = parts.get(PurePath(name).parent, 0) + inner[name]
    if not parts:
        raise HubProblem(f"{location} has no .safetensors files on the hub")
    return tuple(parts.values())
