"""What half-denoised latents look like, cheaply: a linear guess instead of the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ourvidz_worker import log
from ourvidz_worker.engines.base import NOBODY_LOOKS, Pixels, Previews

SIDE = 16  # latents a side of what the guess is fitted to
ANCHORS = 6  # colours a side of the mosaic, blended between
RIDGE = 1e-4  # keeps many channels from fitting noise


class Glimpse:
    """Latents to colours by a matrix that is fitted to what this very VAE makes of a coloured mosaic.

    So it serves every model, tuned ones too, without a table for each.
    """

    def __init__(self, vae: Any, factor: int) -> None:
        """`factor`: pixels a latent, along one side."""
        mosaic = _mosaic(SIDE * factor)
        latents = _encoded(vae, mosaic).flatten(1).T.double()
        colours = torch.nn.functional.avg_pool2d(mosaic, factor)[0].flatten(1).T.double()
        given = torch.cat([latents, torch.ones(len(latents), 1, dtype=torch.float64)], dim=1)
        square = given.T @ given + RIDGE * len(given) * torch.eye(given.shape[1], dtype=torch.float64)
        self._matrix = torch.linalg.solve(square, given.T @ colours).float()

    def picture(self, latents: Any) -> Pixels:
        """Of (channels, height, width), or of the middle one of (channels, frames, height, width)."""
        flat = latents[:, latents.shape[1] // 2] if latents.ndim == 4 else latents
        flat = flat.float()
        # Some schedulers count noise on top: then the first steps would be nothing but white and black.
        flat = flat / flat.std().clamp(min=1.0)
        matrix = self._matrix.to(flat.device)
        colours = torch.einsum("chw,cr->hwr", flat, matrix[:-1]) + matrix[-1]
        pixels: Pixels = ((colours.clamp(-1, 1) + 1) * 127.5).to(torch.uint8).cpu().numpy()
        return pixels


class Window:
    """Through which a batch's slots are seen in turn while their latents become clear."""

    def __init__(self, previews: Previews, glimpse: Glimpse | None, slots: Sequence[int]) -> None:
        self._previews = previews if glimpse else NOBODY_LOOKS
        self._glimpse = glimpse
        self._slots = slots
        self._shown = 0

    def look(self, latents: Any) -> None:
        """`latents`: of the whole batch, after a step. Never fails."""
        if self._glimpse is None or latents is None or not self._previews.is_due():
            return
        number = self._shown % len(self._slots)
        self._shown += 1
        try:
            self._previews.show(self._slots[number], self._glimpse.picture(latents[number]))
        except Exception as error:  # noqa: BLE001 a job is never worse off for its previews
            self._previews = NOBODY_LOOKS
            log.event("preview_failed", reason=type(error).__name__)


def fitted_glimpse(vae: Any, factor: int) -> Glimpse | None:
    """None, and a line about it, where this VAE cannot be fitted. Wants the VAE in main memory."""
    precision = next(vae.parameters()).dtype
    try:
        with torch.inference_mode():
            vae.to(torch.float32)  # half precision overflows in SDXL's
            return Glimpse(vae, factor)
    except Exception as error:  # noqa: BLE001 an engine without previews is an engine
        log.event("no_previews", reason=f"{type(error).__name__}: {str(error)[:200]}")
        return None
    finally:
        vae.to(precision)


def _mosaic(side: int) -> Any:
    """(1, 3, side, side), -1 to 1; the same every time."""
    anchors = torch.rand(1, 3, ANCHORS, ANCHORS, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return torch.nn.functional.interpolate(anchors, size=(side, side), mode="bilinear")


def _encoded(vae: Any, picture: Any) -> Any:
    """(channels, height, width), on the scale that the pipeline's latents have."""
    is_film = vae.config.get("z_dim") is not None
    latents = vae.encode(picture[:, :, None] if is_film else picture).latent_dist.mode()[0]
    mean, deviation = vae.config.get("latents_mean"), vae.config.get("latents_std")
    if mean and deviation:
        shape = (-1, *([1] * (latents.ndim - 1)))
        latents = (latents - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape)
    latents = latents * vae.config.get("scaling_factor", 1.0)
    return latents[:, 0] if is_film else latents
