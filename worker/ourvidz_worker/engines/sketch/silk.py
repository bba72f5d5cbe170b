"""Folds of silk: a warped sheet in a few colours that go together."""

from __future__ import annotations

import numpy as np

from ourvidz_worker.engines.sketch.arrays import plane
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch, gradient
from ourvidz_worker.engines.sketch.noise import fractal, sample
from ourvidz_worker.engines.sketch.stage import Stage


def harmony(stage: Stage) -> list[Lch]:
    """Five colours, from dark to pale, around those of the scene's parameters."""
    parameters, rng = stage.parameters, stage.rng
    other = parameters.accent.turned(float(rng.choice([-1, 1])) * float(rng.choice([40, 75, 150])))
    return [
        parameters.shade.scaled(0.72, 1.1),
        parameters.accent.scaled(0.78, 0.95),
        other._replace(lightness=0.70).scaled(chroma=0.8),
        parameters.horizon,
        parameters.sun.scaled(1.0, 0.7),
    ]


class Silk:
    """A warped sheet: smooth folds, lit from one side."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng
        self._tiles = [fractal(rng, 2.7, 1.5, 24) for _ in range(3)]
        colours = harmony(stage)
        stops = list(zip(np.linspace(0, 1, len(colours)).tolist(), colours, strict=True))
        self._ramp = gradient(stops, plane(np.linspace(0, 1, 512)))
        self._folds = float(rng.uniform(3.0, 5.5))
        self._lean = float(rng.uniform(0.5, 1.6))
        self._sheen = stage.parameters.sun.light

    def paint(self, canvas: Canvas, time: float) -> None:
        scale = 210 / canvas.unit
        x, y = canvas.across * scale, canvas.down() * scale
        first, second, third = self._tiles
        warp = sample(first, x + time * 2.0, y)
        other = sample(second, x + warp * 26, y * self._lean + warp * 20 - time * 1.6)
        bend = sample(third, x * 0.6 + other * 30, y * 0.6 + warp * 14)
        phase = (bend + 0.55 * other) * self._folds
        height = np.sin(phase)
        tilt_y, tilt_x = np.gradient(plane(height), np.float32(scale * 0.045))
        upright = 1.0 / np.sqrt(1.0 + tilt_x**2 + tilt_y**2)
        facing = np.clip((-0.55 * tilt_x - 0.5 * tilt_y + 0.75) * upright, 0, 1)
        tone = np.clip(0.46 + 0.17 * bend + 0.14 * other + 0.10 * height, 0, 1)
        index = (tone * 511).astype(np.int32)
        shine = facing**24 * 0.55
        for channel in range(3):
            canvas.light[channel] = (
                self._ramp[channel][index] * (0.22 + 0.95 * facing) + shine * self._sheen[channel]
            )
