"""Weights in a single file, as SDXL's fine-tuned models are passed on, and VAEs apart from a model.

Their configuration comes with the worker, or from the folder that the operator names: never from the hub.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from safetensors import safe_open

from ourvidz_worker.engines.diffusion.clip_tokenizers import SHIPPED_CONFIG, clip_tokenizers
from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.diffusion.schedulers import trained_for
from ourvidz_worker.engines.diffusion.shared_parts import folder_of
from ourvidz_worker.engines.diffusion.weights import (
    load_pipeline,
    silence_libraries,
    translate_load_errors,
    weight_file,
)
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.single_files import checkpoint_problem, prediction_of, vae_problem
from ourvidz_worker.weight_files import is_on_disk, is_single_file, split_hub_name, split_revision


def load_sdxl(settings: EngineSettings, model: ModelSettings, placement: Placement) -> Any:
    """A pipeline from the folder, hub name or single file of `settings`. Raises EngineUnusable."""
    config = str(model.options.get("config", "") or SHIPPED_CONFIG)
    vae = load_vae(AutoencoderKL, model.vae, config, settings, placement.precision) if model.vae else None
    parts = {"vae": vae} if vae is not None else {}
    predicts, zero_snr = "", False
    if is_single_file(settings.model):
        pipeline, predicts, zero_snr = _from_single_file(config, parts, settings, placement)
    else:
        variant = str(model.options.get("variant", ""))
        pipeline = load_pipeline(
            StableDiffusionXLPipeline, settings.model, settings, placement, parts=parts, variant=variant
        )
    if vae is not None and vae.config.latent_channels != pipeline.unet.config.in_channels:
        raise EngineUnusable(f"the VAE {model.vae!r} cannot be used: its latents are not those of SDXL")
    predicts = str(model.options.get("prediction", predicts))
    zero_snr = bool(model.options.get("zero_snr", zero_snr))
    if predicts or zero_snr:
        own = pipeline.scheduler
        prediction = predicts or own.config.prediction_type
        pipeline.scheduler = trained_for(own, prediction, zero_snr=zero_snr)
    return pipeline


def _from_single_file(
    config: str, parts: dict[str, Any], settings: EngineSettings, placement: Placement
) -> tuple[Any, str, bool]:
    """The pipeline, what it predicts, and whether with zero terminal SNR."""
    file = weight_file(settings.model, settings)
    if problem := checkpoint_problem(file, has_vae="vae" in parts):
        raise EngineUnusable(f"the weights {settings.model!r} cannot be used: {problem}")
    has_tokenizers = (Path(config) / "tokenizer").is_dir()
    silence_libraries()
    with translate_load_errors(settings.model, settings):
        with safe_open(file, framework="pt") as tensors:
            predicts, zero_snr = prediction_of(tensors.keys())
        pipeline = StableDiffusionXLPipeline.from_single_file(
            file,
            config=config,
            local_files_only=True,
            dtype=placement.precision,
            **({} if has_tokenizers else clip_tokenizers()),
            **parts,
        )
    pipeline.loaded_from = settings.model
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, predicts, zero_snr


def load_vae(vae_class: Any, location: str, config: str, settings: EngineSettings, dtype: Any) -> Any:
    """A VAE from a file, a folder, a hub name, or the folder `vae` inside one. Raises EngineUnusable.

    `config`: the folder of a pipeline, whose VAE has the same layout as a file's.
    """
    silence_libraries()
    with translate_load_errors(location, settings):
        if is_single_file(location):
            file = weight_file(location, settings)
            if problem := vae_problem(file):
                raise EngineUnusable(f"the VAE {location!r} cannot be used: {problem}")
            return vae_class.from_single_file(
                file, config=config, subfolder="vae", local_files_only=True, dtype=dtype
            )
        name, revision = split_revision(location)
        repository, inside = (name, "") if is_on_disk(location) else split_hub_name(name)
        folder = folder_of(location)
        if not inside and folder and (Path(folder) / "vae" / "config.json").is_file():
            inside = "vae"
        return vae_class.from_pretrained(
            repository,
            subfolder=inside or None,
            revision=revision or None,
            local_files_only=not settings.allow_download,
            use_safetensors=True,
            dtype=dtype,
        )
