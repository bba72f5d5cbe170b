"""Decodes latents, as diffusers' pipelines do at their end, but apart from the denoising.

A VAE that runs out of memory then repeats nothing but itself.
"""

from __future__ import annotations

from typing import Any

import torch


def decode_picture(pipeline: Any, latents: Any) -> Any:
    """(height, width, 3) values 0..1 from one picture's latents, (1, channels, height, width), of SDXL."""
    vae = pipeline.vae
    is_widened = vae.dtype == torch.float16 and vae.config.force_upcast  # in half precision it overflows
    if is_widened:
        vae.to(torch.float32)
    latents = latents.to(pipeline._execution_device, vae.dtype)
    mean, deviation = vae.config.get("latents_mean"), vae.config.get("latents_std")
    if mean is not None and deviation is not None:
        latents = latents * _per_channel(deviation, latents) / vae.config.scaling_factor
        latents = latents + _per_channel(mean, latents)
    else:
        latents = latents / vae.config.scaling_factor
    decoded = vae.decode(latents, return_dict=False)[0]
    if is_widened:
        vae.to(torch.float16)
    pipeline.maybe_free_model_hooks()
    return pipeline.image_processor.postprocess(decoded, output_type="np")[0]


def decode_film(pipeline: Any, latents: Any) -> Any:
    """(frames, height, width, 3) values 0..1 from one film's latents, of Wan."""
    vae = pipeline.vae
    latents = latents.to(pipeline._execution_device, vae.dtype)
    mean = _per_channel(vae.config.latents_mean, latents)
    inverse_deviation = 1.0 / _per_channel(vae.config.latents_std, latents)
    decoded = vae.decode(latents / inverse_deviation + mean, return_dict=False)[0]
    pipeline.maybe_free_model_hooks()
    return pipeline.video_processor.postprocess_video(decoded, output_type="np")[0]


def _per_channel(values: Any, latents: Any) -> Any:
    return torch.tensor(values).view(1, -1, *([1] * (latents.ndim - 2))).to(latents)
