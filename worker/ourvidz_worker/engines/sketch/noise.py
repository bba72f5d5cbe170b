"""Random textures: spectral, so isotropic and tiling; a tile can be scrolled for ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, Rng, plane

TILE = 512  # a power of two, so that wrapping is a bit mask
_MASK = TILE - 1


def fractal(rng: Rng, roughness: float = 1.8, coarsest: float = 2.0, finest: float = 256.0) -> Plane:
    """A (512, 512) tile of 1/f^roughness noise, mean 0, deviation 1, between two numbers of waves a tile."""
    rows = np.fft.fftfreq(TILE, 1 / TILE)[:, None].astype(np.float32)
    columns = np.fft.rfftfreq(TILE, 1 / TILE)[None, :].astype(np.float32)
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1.0
    gain = frequency**-roughness * np.exp(-((frequency / finest) ** 2))
    gain[frequency < coarsest] *= 0.15
    gain[0, 0] = 0.0
    phases = rng.standard_normal((2, *gain.shape), dtype=np.float32)
    tile = np.fft.irfft2((phases[0] + 1j * phases[1]) * gain, s=(TILE, TILE))
    return plane((tile - tile.mean()) / tile.std())


def sample(tile: Plane, across: Any, down: Any) -> Plane:
    """The tile at fractional coordinates (in its own pixels, any size, broadcast), bilinear, wrapping."""
    across, down = np.broadcast_arrays(plane(across), plane(down))
    left, top = np.floor(across), np.floor(down)
    share_x, share_y = across - left, down - top
    x0, y0 = left.astype(np.int32) & _MASK, (top.astype(np.int32) & _MASK) * TILE
    x1, y1 = (x0 + 1) & _MASK, (y0 + TILE) & (TILE * TILE - 1)
    flat = tile.ravel()
    above = flat[y0 + x0]
    above += (flat[y0 + x1] - above) * share_x
    below = flat[y1 + x0]
    below += (flat[y1 + x1] - below) * share_x
    above += (below - above) * share_y
    return plane(above)


def line(rng: Rng, positions: Any, roughness: float = 1.2, waves: int = 64) -> Plane:
    """A 1-D fractal curve at `positions` (one period = 1.0), roughly within -1..1."""
    counts = np.arange(1, waves + 1, dtype=np.float32)
    phases = rng.uniform(0, 2 * np.pi, waves)
    gains = counts**-roughness * rng.uniform(0.5, 1.0, waves)
    angles = 2 * np.pi * counts[:, None] * plane(positions)[None, :] + phases[:, None]
    return plane((np.sin(angles) * gains[:, None]).sum(0) / np.sqrt((gains**2).sum()))
