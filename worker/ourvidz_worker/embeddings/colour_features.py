"""A picture's colours and their layout as 74 numbers, each about as far from 0 either way."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane: TypeAlias = npt.NDArray[np.float64]

SIDE, CELLS = 16, 4  # px of the small picture; cells of the grid along each side of it
HUES, TONES = 12, 6

# From linear sRGB to OKLab, where equal steps look equal: https://bottosson.github.io/posts/oklab/
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def colour_features(image: Image.Image) -> npt.NDArray[np.float32]:
    """(74,): lightness and colour of each cell, hues, tones, and how much detail each quarter has.

    The offsets and factors are such that the mean over many pictures is near 0 and no part outweighs the
    others: otherwise all pictures were alike.
    """
    lab = _small_oklab(image)
    cells = lab.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS, 3).mean(axis=(1, 3))
    parts = (
        cells[..., 0] - 0.55,
        6.0 * cells[..., 1:],
        8.0 * _hues(lab) - 0.15,
        _tones(lab[..., 0]) - 1 / TONES,
        5.0 * _detail(lab[..., 0]) - 0.15,
    )
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def _small_oklab(image: Image.Image) -> Plane:
    """(SIDE, SIDE, 3)"""
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    encoded = np.asarray(small, dtype=np.float64) / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: Plane = np.cbrt(light @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def _hues(lab: Plane) -> Plane:
    """How much colour there is of each hue; a hue between two counts for both."""
    chroma, hue = np.hypot(lab[..., 1], lab[..., 2]), np.arctan2(lab[..., 2], lab[..., 1])
    step = 2 * np.pi / HUES
    turn = (hue[..., None] - np.arange(HUES) * step + np.pi) % (2 * np.pi) - np.pi
    share: Plane = np.maximum(0.0, 1.0 - np.abs(turn) / step) * chroma[..., None]
    return _mean(share)


def _tones(lightness: Plane) -> Plane:
    """The share of the picture in each step from black to white."""
    steps = np.arange(TONES) / (TONES - 1)
    share: Plane = np.maximum(0.0, 1.0 - np.abs(lightness[..., None] - steps) * (TONES - 1))
    return _mean(share)


def _mean(share: Plane) -> Plane:
    """Over all points of the picture."""
    mean: Plane = share.mean(axis=(0, 1))
    return mean


def _detail(lightness: Plane) -> Plane:
    """Mean contrast between neighbours: beside each other by rows of cells, above each other by columns."""
    beside, above = np.abs(np.diff(lightness, axis=1)), np.abs(np.diff(lightness, axis=0))
    rows = beside.reshape(CELLS, -1).mean(axis=1)
    columns = above.reshape(SIDE - 1, CELLS, -1).mean(axis=(0, 2))
    return np.concatenate([rows, columns])
