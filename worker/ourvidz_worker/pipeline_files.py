"""The folder of a pipeline in diffusers' format: which one it is, and whether it is whole."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from ourvidz_worker.weight_files import format_problem

# What the class of a pipeline begins with, by the engine that runs it.
CLASS_NAMES = {"sdxl": "StableDiffusionXL", "wan": "Wan"}
IMAGE_CLASS = "WanImageToVideoPipeline"


def pipeline_problem(about: str, location: str, engine: str, replaced: Container[str] = ()) -> str:
    """Why `engine` cannot run this folder as its model or image model; empty if nothing speaks against it.

    `replaced`: parts that come from elsewhere and may be missing.
    """
    if problem := format_problem(about, location):
        return problem
    folder = Path(location)
    index = _json(folder / "model_index.json")
    if problem := class_problem(location, str(index.get("_class_name", "")), engine):
        return problem
    for name, kind in index.items():
        if isinstance(kind, list) and all(kind) and name not in replaced and not (folder / name).is_dir():
            return f"{location} is incomplete: it has no {name}"
    return _frames_problem(about, folder, index) if engine == "wan" else ""


def pipeline_class(folder: Path) -> str:
    """The class that the folder says it is of; empty if it says nothing."""
    return str(_json(folder / "model_index.json").get("_class_name", ""))


def class_problem(location: str, class_name: str, engine: str) -> str:
    if class_name.startswith(CLASS_NAMES[engine]):
        return ""
    held = f"a {class_name}" if class_name else "no pipeline"
    return f"{location} holds {held}, which the engine {engine} does not run"


def _frames_problem(about: str, folder: Path, index: dict[str, Any]) -> str:
    """Of weights that take a frame beside the noise the transformer has more channels than the latents."""
    transformer = _json(folder / "transformer" / "config.json") or _json(
        folder / "transformer_2" / "config.json"
    )
    channels, noise = transformer.get("in_channels"), _json(folder / "vae" / "config.json").get("z_dim")
    if not (isinstance(channels, int) and isinstance(noise, int)):
        return ""
    if index.get("expand_timesteps"):  # 5B starts from a frame or from none
        return ""
    needs_frame = channels > noise
    if about == "model" and needs_frame:
        return f"{folder} only starts from frames: name it with --image-model"
    if about == "image model" and not needs_frame:
        return f"{folder} starts from no frame"
    return ""


def _json(path: Path) -> dict[str, Any]:
    """Empty if it is not there or no object."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, RecursionError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
