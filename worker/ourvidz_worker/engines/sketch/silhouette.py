"""Flat shapes cut out against the distance: tree lines, skylines, single things that stand on the land."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from ourvidz_worker.engines.sketch.arrays import Pixels, Plane, plane
from ourvidz_worker.engines.sketch.canvas import Canvas

Point = tuple[float, float]
_FINER = 3  # samples a pixel, each way


class Cutter:
    """Draws in pixels of the picture, on a sheet three times as fine."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self._size = (max(1, width), max(1, height))
        self._sheet = Image.new("L", (self._size[0] * _FINER, self._size[1] * _FINER))
        self._pen = ImageDraw.Draw(self._sheet)

    def polygon(self, points: Sequence[Point], tone: int = 255) -> None:
        self._pen.polygon([(x * _FINER, y * _FINER) for x, y in points], fill=tone)

    def box(self, left: float, top: float, right: float, bottom: float, tone: int = 255) -> None:
        """At least one fine sample thick, however small the picture."""
        x, y = left * _FINER, top * _FINER
        corner = (max(x, right * _FINER - 1), max(y, bottom * _FINER - 1))
        self._pen.rectangle([(x, y), corner], fill=tone)

    def disc(self, x: float, y: float, radius: float, tone: int = 255) -> None:
        box = [(x - radius) * _FINER, (y - radius) * _FINER, (x + radius) * _FINER, (y + radius) * _FINER]
        self._pen.ellipse(box, fill=tone)

    def stroke(self, points: Sequence[Point], thickness: float, tone: int = 255) -> None:
        path = [(x * _FINER, y * _FINER) for x, y in points]
        self._pen.line(path, fill=tone, width=max(1, round(thickness * _FINER)), joint="curve")

    def mask(self) -> Pixels:
        return np.asarray(self._sheet.resize(self._size, Image.Resampling.BOX))


class Band:
    """A strip across the picture that may slide sideways: nearer strips slide faster."""

    def __init__(self, mask: Pixels, colour: Plane, top: int, speed: float, margin: int) -> None:
        self._mask = mask
        self._colour = colour
        self._top = top
        self._speed = speed
        self._margin = margin

    def paint(self, canvas: Canvas, time: float) -> None:
        canvas.cover(
            slid(self._mask, self._margin, self._speed * time, canvas.width), self._colour, self._top
        )


def slid(mask: Pixels, margin: int, distance: float, width: int) -> Plane:
    """The part of a wide mask that is seen after it moved by a fraction of pixels, 0..1."""
    offset = float(np.clip(margin / 2 + distance, 0, max(0, mask.shape[1] - width - 1)))
    start, share = int(offset), offset % 1.0
    seen = mask[:, start : start + width] * np.float32((1.0 - share) / 255)
    if share:
        seen += mask[:, start + 1 : start + 1 + width] * np.float32(share / 255)
    return plane(seen)


def conifer(cutter: Cutter, x: float, foot: float, height: float, chance: Callable[[], float]) -> None:
    """One tree: tiers of drooping branches, no two alike; `chance` gives 0..1."""
    spread = height * (0.17 + 0.07 * chance())
    tiers = max(5, min(16, int(height / 9)))
    cutter.box(x - height * 0.012 - 0.4, foot - height * 0.5, x + height * 0.012 + 0.4, foot)
    left: list[Point] = []
    right: list[Point] = []
    for tier in range(tiers):
        share = tier / tiers
        y = foot - height * (1.0 - share * 0.90)
        reach = spread * (0.10 + 0.90 * share)
        left += [(x - reach * 0.30, y), (x - reach * (0.75 + 0.4 * chance()), y + height / tiers * 1.25)]
        right += [(x + reach * 0.30, y), (x + reach * (0.75 + 0.4 * chance()), y + height / tiers * 1.25)]
    cutter.polygon([(x, foot - height * 1.04), *right, *reversed(left)])
