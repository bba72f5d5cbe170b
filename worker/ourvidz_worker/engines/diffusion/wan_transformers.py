"""Wan's transformers apart from their pipeline's folder: single files, GGUF files and quantised folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import GGUFQuantizationConfig, WanTransformer3DModel

from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.diffusion.shared_parts import folder_of
from ourvidz_worker.engines.diffusion.weights import silence_libraries, translate_load_errors, weight_file
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.single_files import transformer_problem
from ourvidz_worker.weight_files import is_on_disk, is_single_file, split_hub_name, split_revision

NAMES = ("transformer", "transformer_2")


def load_transformers(settings: EngineSettings, model: ModelSettings, placement: Placement) -> dict[str, Any]:
    """Those that the model names, by the part that they are of. Raises EngineUnusable."""
    locations = {name: str(model.options.get(name, "")) for name in NAMES}
    return {
        name: _load(name, location, settings, model, placement)
        for name, location in locations.items()
        if location
    }


def _load(
    name: str, location: str, settings: EngineSettings, model: ModelSettings, placement: Placement
) -> Any:
    silence_libraries()
    if not is_single_file(location):
        return _from_folder(name, location, settings, placement)
    file = weight_file(location, settings)
    if problem := transformer_problem(file):
        raise EngineUnusable(f"the transformer {location!r} cannot be used: {problem}")
    quantised = {}
    if file.endswith(".gguf"):
        quantised["quantization_config"] = GGUFQuantizationConfig(compute_dtype=placement.precision)
    config = str(model.options.get("config", "")) or folder_of(settings.model)
    with translate_load_errors(location, settings):
        return WanTransformer3DModel.from_single_file(
            file,
            config=config,
            subfolder=_subfolder(config, name),
            local_files_only=True,
            dtype=placement.precision,
            **quantised,
        )


def _subfolder(config: str, name: str) -> str:
    """Both transformers of A14B have one layout: a folder may have the configuration of the first alone."""
    return name if (Path(config) / name / "config.json").is_file() else "transformer"


def _from_folder(name: str, location: str, settings: EngineSettings, placement: Placement) -> Any:
    """A folder in diffusers' format. Quantised by bitsandbytes or torchao, its config.json says so."""
    repository, revision = split_revision(location)
    inside = ""
    if not is_on_disk(location):
        repository, inside = split_hub_name(repository)
    elif (Path(location) / name / "config.json").is_file():
        inside = name
    with translate_load_errors(location, settings):
        return WanTransformer3DModel.from_pretrained(
            repository,
            subfolder=inside or None,
            revision=revision or None,
            local_files_only=not settings.allow_download,
            use_safetensors=True,
            dtype=placement.precision,
        )
