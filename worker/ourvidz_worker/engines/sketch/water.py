"""Water that mirrors what is painted above its horizon."""

from __future__ import annotations

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.noise import fractal, sample
from ourvidz_worker.engines.sketch.sky import Sky
from ourvidz_worker.engines.sketch.stage import Stage
from ourvidz_worker.engines.sketch.terrain import Terrain


class Water:
    """`swell`: 0 for a still lake, 1 for the open sea. With a terrain, only where that is wet."""

    def __init__(self, stage: Stage, sky: Sky, swell: float, terrain: Terrain | None = None) -> None:
        parameters = stage.parameters
        self._tile = fractal(stage.rng, 1.3, 6, 90)
        self._sky = sky
        self._swell = swell
        self._terrain = terrain
        self._deep = parameters.zenith.scaled(0.62, 0.9).towards(215, 0.3).light
        self._sun = parameters.sun.light * (1.0 - 0.55 * parameters.night)
        self._low = 1.0 - 0.6 * min(1.0, parameters.sun_height)

    def paint(self, canvas: Canvas, time: float) -> None:
        top = int(self._sky.horizon) + 1
        if top >= canvas.height:
            return
        below = canvas.down(top) - self._sky.horizon
        slope = self._slope(canvas, below, time)
        wet = self._wet(canvas, top, below)
        mirrored = self._mirror(canvas, below, slope)
        grazing = plane(np.exp(below / (-0.55 * canvas.unit)))
        share = 0.42 + 0.5 * grazing + 0.16 * slope * self._swell
        np.clip(share, 0.0, 1.0, out=share)
        colour = plane(self._deep[:, None, None] + (mirrored - self._deep[:, None, None]) * share)
        colour += self._glitter(canvas, below, slope) * self._sun[:, None, None]
        canvas.cover(wet, colour, top)

    def _slope(self, canvas: Canvas, below: Plane, time: float) -> Plane:
        """Of the waves, about -1..1, calmer far away, where a pixel holds many of them."""
        z = canvas.unit * 1.05 * 9.0 / below
        x = (canvas.across - canvas.width / 2) * (z / (canvas.unit * 1.05))
        fine = sample(self._tile, x * 8 + time * 6, z * 13 - time * 11)
        broad = sample(self._tile, x * 2.2 - time * 2, z * 4.5 + time * 4)
        footprint = z / below * 5
        calm = 1.0 / (1.0 + footprint * 0.7)
        return plane((0.65 * fine * calm + 0.45 * broad * (0.25 + 0.75 * calm)) * (0.35 + 0.65 * self._swell))

    def _wet(self, canvas: Canvas, top: int, below: Plane) -> Plane:
        if self._terrain is not None and self._terrain.wet is not None:
            return self._terrain.wet[top:]
        return plane(np.broadcast_to(np.clip(below, 0.0, 1.0), (len(below), canvas.width)))

    def _mirror(self, canvas: Canvas, below: Plane, slope: Plane) -> Plane:
        reach = 0.028 * canvas.unit * (0.3 + self._swell) + below * (0.10 + 0.22 * self._swell)
        source = self._sky.horizon - below * 0.92 - slope * reach * smoothstep(0, 0.05 * canvas.unit, below)
        row = np.clip(np.abs(source), 0, int(self._sky.horizon) - 1).astype(np.int32)
        column = np.clip(canvas.across + slope * reach * 0.12, 0, canvas.width - 1).astype(np.int32)
        at = row * canvas.width + column
        return np.stack([channel.ravel()[at] for channel in canvas.light])

    def _glitter(self, canvas: Canvas, below: Plane, slope: Plane) -> Plane:
        width = canvas.unit * 0.045 + below * 0.22
        path = np.exp(-(((canvas.across - self._sky.sun_x) / width) ** 2))
        sparks = smoothstep(0.25, 0.95, slope) * (0.5 + 0.5 * self._swell)
        return plane(path * (sparks * 0.9 + 0.06) * self._low * np.exp(below / (-0.5 * canvas.unit)))
