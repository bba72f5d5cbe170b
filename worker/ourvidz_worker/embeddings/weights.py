"""The folder of an embedder's weights: where it is, what it holds, and a name for it. Loads nothing."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from ourvidz_worker.embeddings.settings import EmbedderSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.file_identity import identity
from ourvidz_worker.weight_files import format_problem, is_on_disk, split_revision, weight_files

FAMILIES = {"clip": "CLIP", "siglip": "SigLIP"}
"""What `model_type` of config.json says of the models that an embedder can be."""

MAX_NAME_LENGTH = 80  # what servers take
DIGEST_LENGTH = 8  # hex digits


def find_weights(settings: EmbedderSettings) -> Path:
    """Their folder, fetched if the operator allows it. Raises EngineUnusable."""
    place = location_of(settings.model)
    if settings.allow_download and not is_on_disk(settings.model) and (not place or weights_problem(place)):
        _fetch(settings.model)
        place = location_of(settings.model)
    if not place:
        raise EngineUnusable(
            f"no weights at {settings.model!r}: give a folder, or allow the hub with --allow-download"
        )
    if problem := weights_problem(place):
        raise EngineUnusable(problem)
    return Path(place)


def location_of(model: str) -> str:
    """The folder of this name, or where the hub's cache has it; empty if neither is there."""
    if is_on_disk(model):
        return model
    from ourvidz_worker.hub_weights import cached_location

    return cached_location("embedder", model)


def weights_problem(place: str) -> str:
    """Why this folder holds no embedder; empty if nothing speaks against it."""
    if not (Path(place) / "config.json").is_file():
        return f"{place} is no folder in transformers' format: it has no config.json"
    if problem := format_problem("embedder", place):
        return problem
    kind = _model_type(Path(place))
    if kind not in FAMILIES:
        held = f"a model of type {kind}" if kind else "no model"
        return f"{place} holds {held}; an embedder is a {' or '.join(FAMILIES.values())} model"
    return ""


def public_name(model: str, folder: Path) -> str:
    """The name on the hub without its owner, or the folder's, with a digest of the weights.

    The same wherever the weights lie: a machine that has them in a folder and one that has them from the hub
    make embeddings that can be compared.
    """
    location = folder.resolve().name if is_on_disk(model) else split_revision(model)[0].rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", location).strip("-.") or "model"
    whole = folder / "model.safetensors"  # other programs' files may lie beside it
    files = [whole] if whole.is_file() else sorted(weight_files(str(folder)))
    digest = hashlib.sha256("".join(identity(str(file)) for file in files).encode()).hexdigest()
    return f"{plain[: MAX_NAME_LENGTH - DIGEST_LENGTH - 1]}-{digest[:DIGEST_LENGTH]}"


def _fetch(model: str) -> None:
    from ourvidz_worker.fetch import FetchFailed, fetch

    try:
        fetch(model)
    except FetchFailed as failed:
        raise EngineUnusable(str(failed)) from failed


def _model_type(folder: Path) -> str:
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, RecursionError, ValueError):
        return ""
    return str(content.get("model_type", "")) if isinstance(content, dict) else ""
