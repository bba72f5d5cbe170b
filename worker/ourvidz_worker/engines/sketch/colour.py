"""Colours in OKLCH, where equal steps look equal, and light in linear sRGB, where adding is physics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane


class Lch(NamedTuple):
    """Lightness 0..1, chroma 0..0.3, hue in degrees."""

    lightness: float
    chroma: float
    hue: float

    def towards(self, hue: float, share: float) -> Lch:
        """Turned to another hue by a share of the way, the short way round."""
        turn = (hue - self.hue + 180.0) % 360.0 - 180.0
        return self._replace(hue=self.hue + turn * share)

    def scaled(self, lightness: float = 1.0, chroma: float = 1.0) -> Lch:
        return self._replace(lightness=self.lightness * lightness, chroma=self.chroma * chroma)

    def turned(self, degrees: float) -> Lch:
        return self._replace(hue=self.hue + degrees)

    @property
    def light(self) -> Plane:
        """Linear sRGB, shape (3,), clipped at black."""
        return oklab_to_light(self.lab[:, None])[:, 0]

    @property
    def lab(self) -> Plane:
        angle = math.radians(self.hue)
        return np.array(
            [self.lightness, self.chroma * math.cos(angle), self.chroma * math.sin(angle)], np.float32
        )


_TO_LMS = np.array(
    [[1, 0.3963378, 0.2158038], [1, -0.1055613, -0.0638542], [1, -0.0894842, -1.2914855]], np.float32
)
_TO_RGB = np.array(
    [
        [4.0767417, -3.3077116, 0.2309699],
        [-1.2684380, 2.6097574, -0.3413194],
        [-0.0041961, -0.7034186, 1.7076147],
    ],
    np.float32,
)


def oklab_to_light(lab: Plane) -> Plane:
    """(3, N) OKLab to (3, N) linear sRGB; what lies outside the gamut is clipped at black."""
    lms: Plane = (_TO_LMS @ lab) ** 3
    light: Plane = np.maximum(_TO_RGB @ lms, 0.0).astype(np.float32)
    return light


def gradient(stops: Sequence[tuple[float, Lch]], positions: Plane) -> Plane:
    """Linear sRGB (3, N) at `positions`, interpolated in OKLab between (position, colour) stops."""
    at = [position for position, _ in stops]
    lab = np.stack([colour.lab for _, colour in stops])
    # Smoothing each step keeps the stops from showing as bands.
    mixed = np.stack([np.interp(positions, at, lab[:, axis]) for axis in range(3)]).astype(np.float32)
    return oklab_to_light(mixed)
