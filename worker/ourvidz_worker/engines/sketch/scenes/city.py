"""A skyline at night over a river."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Rng, mix, plane
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch
from ourvidz_worker.engines.sketch.silhouette import Cutter, slid
from ourvidz_worker.engines.sketch.sky import Clouds, Sky, Stars
from ourvidz_worker.engines.sketch.stage import Layer, Stage
from ourvidz_worker.engines.sketch.water import Water

_RANKS = 4


def city(stage: Stage) -> Iterator[Layer]:
    shore = float(stage.rng.uniform(0.66, 0.74))
    sky = Sky(stage, shore)
    yield sky
    if stage.parameters.night > 0.3:
        yield Stars(stage, shore, 0.5)
    yield Clouds(stage, sky)
    for rank in range(_RANKS):
        yield Skyline(stage, shore, rank / (_RANKS - 1))
    yield Water(stage, sky, 0.45)


class Skyline:
    """One rank of towers with lit windows: 0 the farthest, 1 the nearest."""

    def __init__(self, stage: Stage, shore: float, nearness: float) -> None:
        rng, parameters, unit = stage.rng, stage.parameters, stage.unit
        self._margin = int(unit * 0.10)
        self._speed = unit * 0.0022 * (0.2 + nearness)
        self._bottom = int(shore * stage.height)
        walls = Cutter(stage.width + self._margin, self._bottom)
        warm = Cutter(stage.width + self._margin, self._bottom)
        cool = Cutter(stage.width + self._margin, self._bottom)
        self._build(rng, nearness, unit, (walls, warm, cool))
        self._walls, self._warm, self._cool = walls.mask(), warm.mask(), cool.mask()
        air = 0.7 * parameters.middle.light + 0.3 * parameters.horizon.light
        wall = parameters.shade.scaled(0.62, 0.8).light
        depth = plane(np.linspace(0, 1, self._bottom))[None, :, None]
        hazy = (0.62 - 0.56 * nearness) * (0.55 + 0.75 * depth**2)
        self._wall = mix(wall[:, None, None], air[:, None, None], hazy)
        lit = (0.25 + 0.75 * nearness) * (0.35 + 0.85 * min(1.0, parameters.night * 1.4))
        self._lamps = (
            Lch(0.86, 0.115, 72).light * lit * 1.25,
            parameters.accent.scaled(1.12).light * lit * 1.2,
        )

    def _build(self, rng: Rng, nearness: float, unit: int, cutters: tuple[Cutter, Cutter, Cutter]) -> None:
        width = cutters[0].width
        x = -float(rng.uniform(0, 0.05)) * unit
        while x < width:
            wide = unit * float(rng.uniform(0.035, 0.095)) * (0.7 + 0.5 * nearness)
            peak = np.exp(-(((x / width - 0.5) / 0.34) ** 2))
            tall = unit * float(rng.gamma(5, 0.2)) * (0.13 + 0.26 * peak) * (1.2 - 0.55 * nearness)
            _tower(rng, cutters, (x, self._bottom - tall, x + wide, float(self._bottom)), unit)
            x += wide * float(rng.uniform(0.75, 1.25))

    def paint(self, canvas: Canvas, time: float) -> None:
        shift = self._speed * time
        canvas.cover(slid(self._walls, self._margin, shift, canvas.width), self._wall)
        for mask, lamp in zip((self._warm, self._cool), self._lamps, strict=True):
            canvas.shine(slid(mask, self._margin, shift, canvas.width), lamp)


def _tower(
    rng: Rng, cutters: tuple[Cutter, Cutter, Cutter], box: tuple[float, float, float, float], unit: int
) -> None:
    walls = cutters[0]
    left, top, right, bottom = box
    walls.box(left, top, right, bottom)
    style = rng.random()
    middle, wide = (left + right) / 2, right - left
    if style < 0.25:
        walls.box(left + wide * 0.2, top - unit * 0.02, right - wide * 0.2, top)
    elif style < 0.40:
        walls.polygon([(left, top), (middle, top - wide * 0.7), (right, top)])
    elif style < 0.50:
        walls.polygon([(left, top), (right, top - wide * 0.45), (right, top)])
    if style > 0.72:
        walls.box(
            middle - 0.0012 * unit, top - unit * float(rng.uniform(0.02, 0.07)), middle + 0.0012 * unit, top
        )
    _windows(rng, cutters[1] if rng.random() < 0.72 else cutters[2], box, unit)


def _windows(rng: Rng, lights: Cutter, box: tuple[float, float, float, float], unit: int) -> None:
    left, top, right, bottom = box
    step_x, step_y = unit * 0.0088, unit * 0.0125
    columns, rows = int((right - left) / step_x) - 1, int((bottom - top) / step_y) - 1
    if columns < 1 or rows < 1:
        return
    busy = float(rng.beta(1.6, 2.2))
    shown = rng.random((rows, columns)) < busy * rng.uniform(0.5, 1.4, (rows, 1))
    bright = rng.integers(90, 255, (rows, columns))
    inset = ((right - left) - columns * step_x) / 2
    for row, column in zip(*np.nonzero(shown), strict=True):
        x, y = left + inset + column * step_x, top + step_y * (row + 0.8)
        lights.box(x + step_x * 0.2, y, x + step_x * 0.8, y + step_y * 0.55, int(bright[row, column]))
