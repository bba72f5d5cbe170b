"""Previews of latents that are still being denoised: a linear approximation instead of the VAE's decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ourvidz_worker import log
from ourvidz_worker.engines.base import NULL_PREVIEWS, Pixels, Previews

FIT_SIDE = 16  # side of the mosaic that the matrix is fitted to, in latents
MOSAIC_SIDE = 6  # colours along a side of the mosaic, interpolated between
RIDGE = 1e-4  # of the regression; keeps many channels from fitting noise


class LatentPreviewer:
    """Maps latents to RGB by a matrix, which is fitted to how this VAE encodes a coloured mosaic.

    It therefore serves every model, fine-tuned ones too, without a table for each.
    """

    def __init__(self, vae: Any, factor: int) -> None:
        """`factor`: pixels per latent, along one side."""
        mosaic = _mosaic(FIT_SIDE * factor)
        latents = _encoded(vae, mosaic).flatten(1).T.double()
        colours = torch.nn.functional.avg_pool2d(mosaic, factor)[0].flatten(1).T.double()
        inputs = torch.cat([latents, torch.ones(len(latents), 1, dtype=torch.float64)], dim=1)
        gram = inputs.T @ inputs + RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
        self._matrix = torch.linalg.solve(gram, inputs.T @ colours).float()

    def preview(self, latents: Any) -> Pixels:
        """From (channels, height, width), or the middle frame of (channels, frames, height, width)."""
        frame = latents[:, latents.shape[1] // 2] if latents.ndim == 4 else latents
        frame = frame.float()
        # Some schedulers add the noise on top: then the first steps would be nothing but white and black.
        frame = frame / frame.std().clamp(min=1.0)
        matrix = self._matrix.to(frame.device)
        colours = torch.einsum("chw,cr->hwr", frame, matrix[:-1]) + matrix[-1]
        pixels: Pixels = ((colours.clamp(-1, 1) + 1) * 127.5).to(torch.uint8).cpu().numpy()
        return pixels


class BatchPreviews:
    """Shows previews of a batch's slots in turn."""

    def __init__(self, previews: Previews, previewer: LatentPreviewer | None, slots: Sequence[int]) -> None:
        self._previews = previews if previewer else NULL_PREVIEWS
        self._previewer = previewer
        self._slots = slots
        self._shown = 0

    def show_next(self, latents: Any) -> None:
        """Shows the next slot if one is due. `latents`: the whole batch's, after a step. Never fails."""
        if self._previewer is None or latents is None or not self._previews.is_due():
            return
        number = self._shown % len(self._slots)
        self._shown += 1
        try:
            self._previews.show(self._slots[number], self._previewer.preview(latents[number]))
        except Exception as error:  # noqa: BLE001 a job is never worse off for its previews
            self._previews = NULL_PREVIEWS
            log.event("preview_failed", reason=type(error).__name__)


def fit_latent_previewer(vae: Any, factor: int) -> LatentPreviewer | None:
    """None, and a log event, where this VAE cannot be fitted. The VAE must be in main memory."""
    precision = next(vae.parameters()).dtype
    try:
        with torch.inference_mode():
            vae.to(torch.float32)  # half precision overflows in SDXL's
            return LatentPreviewer(vae, factor)
    except Exception as error:  # noqa: BLE001 an engine without previews is an engine
        log.event("no_previews", reason=f"{type(error).__name__}: {str(error)[:200]}")
        return None
    finally:
        vae.to(precision)


def _mosaic(side: int) -> Any:
    """(1, 3, side, side) values from -1 to 1, the same every time."""
    anchors = torch.rand(1, 3, MOSAIC_SIDE, MOSAIC_SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return torch.nn.functional.interpolate(anchors, size=(side, side), mode="bilinear")


def _encoded(vae: Any, preview: Any) -> Any:
    """(channels, height, width) latents on the scale of the pipeline's own."""
    is_film = vae.config.get("z_dim") is not None
    latents = vae.encode(preview[:, :, None] if is_film else preview).latent_dist.mode()[0]
    mean, deviation = vae.config.get("latents_mean"), vae.config.get("latents_std")
    if mean and deviation:
        shape = (-1, *([1] * (latents.ndim - 1)))
        latents = (latents - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape)
    latents = latents * vae.config.get("scaling_factor", 1.0)
    return latents[:, 0] if is_film else latents
