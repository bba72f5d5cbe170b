"""Flowers: sharp ones in front of soft ones, in front of light out of focus."""

from __future__ import annotations

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, Rng, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch, gradient
from ourvidz_worker.engines.sketch.noise import fractal, sample
from ourvidz_worker.engines.sketch.stage import Stage


class Blur:
    """What is out of focus behind the flowers: soft greens and discs of light."""

    def __init__(self, stage: Stage) -> None:
        rng, parameters = stage.rng, stage.parameters
        self._column = gradient(
            [
                (0, parameters.horizon.scaled(0.95)),
                (0.45, parameters.leaf.scaled(1.15, 0.8)),
                (1, parameters.leaf.scaled(0.55)),
            ],
            plane(np.linspace(0, 1, stage.height)),
        )
        self._tile = fractal(rng, 2.4, 1, 16)
        self._discs = [
            (
                rng.uniform(0, stage.width),
                rng.uniform(0, stage.height * 0.75),
                stage.unit * rng.uniform(0.02, 0.075),
                rng.uniform(0.04, 0.20),
                rng.uniform(0, 6.28),
            )
            for _ in range(34)
        ]
        self._lamp = parameters.sun.light

    def paint(self, canvas: Canvas, time: float) -> None:
        scale = 200 / canvas.unit
        cloudy = 1.0 + 0.22 * sample(self._tile, canvas.across * scale, canvas.down() * scale)
        for channel in range(3):
            canvas.light[channel] = self._column[channel][:, None] * cloudy
        for x, y, radius, power, phase in self._discs:
            reach = int(radius) + 3
            span = np.arange(2 * reach, dtype=np.float32) + 0.5 - reach
            distance = np.hypot(span[None, :], span[:, None])
            ring = smoothstep(radius + 1, radius - 2, distance) * (
                0.7 + 0.5 * smoothstep(radius * 0.6, radius, distance)
            )
            shown = power * (1.0 + 0.35 * np.sin(time * 1.3 + phase))
            canvas.shine(
                ring, self._lamp * shown, int(y + 4 * np.sin(time * 0.7 + phase)) - reach, int(x) - reach
            )


class Blossoms:
    """One row of flowers: 0 the farthest and softest, 1 the nearest."""

    def __init__(self, stage: Stage, nearness: float) -> None:
        rng, parameters = stage.rng, stage.parameters
        count = int(9 - 5 * nearness)
        size = stage.unit * (0.045 + 0.125 * nearness**1.2)
        self._soft = stage.unit * (0.010 * (1 - nearness) ** 2 + 0.0012)
        self._stem = parameters.leaf.scaled(0.62 + 0.2 * (1 - nearness)).light
        across = np.linspace(-0.05, 1.05, count) + rng.normal(0, 0.05, count)
        self._heads = [
            (
                float(across[n] * stage.width),
                float(stage.height * (0.34 + 0.30 * nearness + rng.normal(0, 0.08))),
                size * float(rng.uniform(0.75, 1.25)),
                int(rng.integers(5, 10)),
                float(rng.uniform(0.5, 0.95)),
                float(rng.uniform(0, 6.28)),
                _petal_colours(rng, parameters.accent),
            )
            for n in range(count)
        ]

    def paint(self, canvas: Canvas, time: float) -> None:
        for x, y, size, petals, tilt, phase, colours in self._heads:
            swing = float(np.sin(time * 1.1 + phase)) * size * 0.10
            self._paint_stem(canvas, x, y, size, swing)
            self._paint_head(canvas, (x + swing, y, size, petals, tilt, phase), colours)

    def _paint_stem(self, canvas: Canvas, x: float, y: float, size: float, swing: float) -> None:
        top = max(0, int(y))
        if top >= canvas.height:
            return
        run = (canvas.down(top) - y) / max(1.0, canvas.height - y)
        middle = x + swing * (1 - run) ** 2 + size * 0.6 * np.sin(run * 2.2 + x) * run
        half = size * 0.045 + self._soft * 0.5
        mask = np.clip((half - np.abs(canvas.across - middle)) / max(1.0, self._soft) + 0.5, 0, 1)
        canvas.cover(plane(mask), self._stem, top)

    def _paint_head(
        self, canvas: Canvas, head: tuple[float, float, float, int, float, float], colours: Plane
    ) -> None:
        x, y, size, petals, tilt, phase = head
        reach = int(size + self._soft * 3) + 2
        top, left = int(y) - reach, int(x) - reach
        span = np.arange(2 * reach, dtype=np.float32) + 0.5
        across, down = (span[None, :] + (left - x)) / size, (span[:, None] + (top - y)) / (size * tilt)
        radius, angle = np.hypot(across, down), np.arctan2(down, across)
        blur = self._soft / size + 1.2 / size
        for ring in range(3):
            scale, turn = 1.0 - 0.27 * ring, phase + ring * np.pi / petals
            wave = np.abs(np.cos((angle + turn) * petals / 2))
            outline = scale * (0.42 + 0.56 * wave**0.55)
            mask = smoothstep(blur, -blur, radius - outline)
            along = np.clip(radius / scale, 0, 1)
            vein = 1.0 + 0.10 * np.cos((angle + turn) * petals * 5) * along
            tone = (0.55 + 0.55 * along) * (0.72 + 0.28 * wave) * vein * (0.82 + 0.12 * ring - 0.14 * down)
            canvas.cover(mask, plane(colours[ring % 2][:, None, None] * tone), top, left)
        heart = smoothstep(0.20 + blur, 0.20 - blur, radius)
        dome = 1.1 - 0.5 * (radius / 0.2) ** 2 - 0.2 * down
        canvas.cover(heart, plane(colours[2][:, None, None] * np.clip(dome, 0.3, 1.2)), top, left)


def _petal_colours(rng: Rng, accent: Lch) -> Plane:
    petal = accent.turned(float(rng.normal(0, 28)))._replace(lightness=float(rng.uniform(0.66, 0.86)))
    return np.stack([petal.light, petal.scaled(1.08, 0.85).turned(12).light, Lch(0.80, 0.15, 82).light])
