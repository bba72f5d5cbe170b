"""Conifers, rank behind rank, fading into lit fog."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.noise import fractal, line, sample
from ourvidz_worker.engines.sketch.silhouette import Band, Cutter, conifer
from ourvidz_worker.engines.sketch.sky import Sky, Stars
from ourvidz_worker.engines.sketch.stage import Layer, Stage

_RANKS = 6


def forest(stage: Stage) -> Iterator[Layer]:
    sky = Sky(stage, 0.72, float(stage.rng.uniform(0.3, 0.7)))
    yield sky
    if stage.parameters.night > 0.3:
        yield Stars(stage, 0.6, 0.6)
    for rank in range(_RANKS):
        yield tree_line(stage, rank / (_RANKS - 1))
        if rank == _RANKS - 3:
            yield Shafts(stage, sky)
        if rank < _RANKS - 1:
            yield Fog(stage, 0.62 + 0.07 * rank, 0.5 - 0.05 * rank)


def tree_line(stage: Stage, nearness: float, *, tall: float | None = None, foot: float | None = None) -> Band:
    """One rank of trees, 0 the farthest, 1 the nearest; `tall` in units, `foot` as a share of the height."""
    rng, unit = stage.rng, stage.unit
    margin = int(unit * 0.16)
    width, height = stage.width + margin, stage.height
    tall = unit * (0.15 + 0.62 * nearness**1.4 if tall is None else tall)
    foot = height * (0.60 + 0.42 * nearness if foot is None else foot)
    cutter = Cutter(width, height)
    rise = line(rng, np.linspace(0, 1, width), 1.3, 24) * unit * 0.035
    if nearness > 0.7:
        rise -= (np.abs(np.linspace(-1, 1, width)) ** 2 - 0.6) * unit * 0.10
    cutter.polygon([(0, height), *((float(i), foot + rise[i]) for i in range(0, width, 4)), (width, height)])
    for _ in range(
        int(
            width
            / (tall * (0.20 + 0.24 * nearness) if tall > 0.5 * unit else tall * (0.22 + 0.06 * nearness))
        )
    ):
        x = float(rng.uniform(0, width))
        if nearness > 0.7 and abs(x / width - 0.5) < 0.10 + 0.25 * rng.random():
            continue  # a clearing to look through
        size = tall * float(rng.uniform(0.5, 1.15))
        conifer(cutter, x, foot + float(rise[int(x)]) + 2, size, rng.random)
    return Band(
        cutter.mask(), _rank_colour(stage, nearness), 0, unit * 0.004 * (0.3 + 2.2 * nearness), margin
    )


def _rank_colour(stage: Stage, nearness: float) -> Plane:
    parameters = stage.parameters
    far = 0.55 * parameters.horizon.light + 0.45 * parameters.middle.light
    near = parameters.leaf.scaled(0.46, 0.75).towards(parameters.shade.hue, 0.3).light * (
        1.0 - 0.4 * parameters.night
    )
    tone = mix(far, near, min(1.0, 0.22 + 0.78 * nearness**0.8))
    down = plane(np.linspace(0, 1, stage.height))[None, :, None]
    mist = smoothstep(0.35, 1.0, down) * (0.45 - 0.40 * nearness) * (0.4 + parameters.mist)
    return mix(tone[:, None, None], far[:, None, None], mist)


class Fog:
    """A drifting bank around a height of the picture."""

    def __init__(self, stage: Stage, level: float, density: float) -> None:
        parameters = stage.parameters
        self._tile = fractal(stage.rng, 1.9, 1, 40)
        self._colour = 0.6 * parameters.horizon.light + 0.4 * parameters.middle.light
        self._level = level
        self._density = density * (0.35 + 0.75 * parameters.mist)
        self._speed = float(stage.rng.uniform(-6, 6))

    def paint(self, canvas: Canvas, time: float) -> None:
        top, bottom = (int(np.clip(self._level + edge, 0, 1) * canvas.height) for edge in (-0.29, 0.29))
        down = canvas.down(top, bottom)
        bank = np.exp(-(((down / canvas.height - self._level) / 0.13) ** 2))
        scale = 220 / canvas.unit
        wisps = sample(self._tile, canvas.across * scale + self._speed * time, down * scale * 2.5)
        canvas.cover(plane(bank * self._density * np.clip(0.7 + 0.35 * wisps, 0, 1)), self._colour, top)


class Shafts:
    """Sunlight between the trunks."""

    def __init__(self, stage: Stage, sky: Sky) -> None:
        self._tile = fractal(stage.rng, 1.1, 6, 60)
        self._sky = sky
        self._sun = stage.parameters.sun.light * (0.5 - 0.42 * stage.parameters.night)

    def paint(self, canvas: Canvas, time: float) -> None:
        y0 = self._sky.sun_y - 0.12 * canvas.height
        across, down = canvas.across - self._sky.sun_x, canvas.down() - y0
        angle = np.arctan2(across, np.maximum(down, 1.0))
        beams = smoothstep(-0.2, 1.8, sample(self._tile, angle * 150, time * 1.2 + angle * 0))
        reach = np.exp(np.hypot(across, down) / (-0.45 * canvas.unit))
        canvas.shine(plane(beams * reach * smoothstep(0, 0.2 * canvas.unit, down)), self._sun)
