"""Deep sky: nebulae, stars, a planet; and the northern lights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch, gradient
from ourvidz_worker.engines.sketch.noise import fractal, line, sample
from ourvidz_worker.engines.sketch.scenes.landscapes import alps
from ourvidz_worker.engines.sketch.sky import Sky, Stars
from ourvidz_worker.engines.sketch.stage import Layer, Stage
from ourvidz_worker.engines.sketch.terrain import Terrain
from ourvidz_worker.engines.sketch.water import Water


def space(stage: Stage) -> Iterator[Layer]:
    yield Nebula(stage)
    yield Stars(stage, 1.6, 1.5)
    if stage.rng.random() < 0.85 or stage.words & {"planet", "saturn", "jupiter", "moon"}:
        yield Planet(stage)


def aurora(stage: Stage) -> Iterator[Layer]:
    sky = Sky(stage, float(stage.rng.uniform(0.60, 0.68)))
    yield sky
    yield Stars(stage, 0.62, 0.9)
    yield Curtains(stage)
    land = Terrain(stage, alps(stage, lake=True), sky)
    yield land
    yield Water(stage, sky, 0.15, land)


class Nebula:
    """Gas clouds in two colours, darker dust in front."""

    def __init__(self, stage: Stage) -> None:
        rng, parameters = stage.rng, stage.parameters
        self._tiles = [fractal(rng, 1.9, 1.5, 120) for _ in range(3)]
        warm = Lch(0.66, 0.17, parameters.accent.hue)
        cool = warm.turned(float(rng.choice([-1, 1])) * float(rng.uniform(70, 140))).scaled(0.9, 0.9)
        self._ramp = gradient(
            [
                (0, Lch(0.07, 0.02, cool.hue)),
                (0.45, cool.scaled(0.55, 0.7)),
                (0.75, warm.scaled(0.8)),
                (1, Lch(0.92, 0.07, warm.hue)),
            ],
            plane(np.linspace(0, 1, 256)),
        )
        self._cool = cool.light * 0.35
        self._angle = float(rng.uniform(0, 3.14))

    def paint(self, canvas: Canvas, time: float) -> None:
        scale = 190 / canvas.unit
        x, y = canvas.across * scale + time * 1.2, canvas.down() * scale
        first, second, dust = self._tiles
        warp = sample(first, x * 0.5, y * 0.5)
        gas = sample(second, x + warp * 24, y - warp * 20)
        turned = (x - x.mean()) * np.sin(self._angle) + (y - y.mean()) * np.cos(self._angle)
        lane = np.exp(-((turned / 95 + 0.25 * warp) ** 2))
        dark = smoothstep(0.3, 1.7, sample(dust, x * 1.4 + gas * 8, y * 1.4))
        glow = np.clip((0.20 + 0.26 * gas) * (0.25 + 1.15 * lane) + 0.22 * lane, 0, 1) * (1 - 0.72 * dark)
        tone = (glow * 255).astype(np.uint8)
        for channel in range(3):
            canvas.light[channel] = self._ramp[channel][tone]
        canvas.shine(plane(smoothstep(0.2, 2.0, warp) * 0.35), self._cool)


class Planet:
    """A lit sphere with bands or continents, a thin atmosphere and sometimes a ring."""

    def __init__(self, stage: Stage) -> None:
        rng, parameters = stage.rng, stage.parameters
        self._radius = stage.unit * float(rng.uniform(0.17, 0.40))
        self._x = stage.width * float(rng.uniform(0.25, 0.75))
        self._y = stage.height * float(rng.uniform(0.30, 0.72))
        self._tile = fractal(rng, 1.9, 2, 200)
        self._gas = bool(rng.random() < 0.55)
        self._ringed = bool(stage.words & {"saturn", "ring"}) or (self._gas and rng.random() < 0.65)
        self._tilt = float(rng.uniform(-0.6, 0.6))
        angle = float(rng.uniform(0, 2 * np.pi))
        self._sun = (float(np.cos(angle)) * 0.78, float(np.sin(angle)) * 0.55, 0.38)
        hue = parameters.accent.hue + float(rng.uniform(-40, 40))
        base = Lch(0.62, 0.10, hue)
        stops = [
            (0, base.scaled(0.5)),
            (0.35, base),
            (0.6, base.turned(35).scaled(1.25, 0.8)),
            (1, Lch(0.95, 0.03, hue + 50)),
        ]
        self._ramp = gradient(stops, plane(np.linspace(0, 1, 256)))
        self._air = Lch(0.80, 0.11, hue + float(rng.uniform(-25, 25))).light

    def paint(self, canvas: Canvas, time: float) -> None:
        reach = self._radius * (2.3 if self._ringed else 1.35)
        left, right = max(0, int(self._x - reach)), min(canvas.width, int(self._x + reach))
        top, bottom = max(0, int(self._y - reach)), min(canvas.height, int(self._y + reach))
        across = plane((canvas.across[:, left:right] - self._x) / self._radius)
        down = plane((canvas.down(top, bottom) - self._y) / self._radius)
        distance = np.hypot(across, down)
        ring = self._ring(across, down) if self._ringed else None
        self._atmosphere(canvas, distance, across, down, top, left)
        if ring is not None:
            canvas.cover(ring * (self._behind(across, down)), self._ramp[:, 190], top, left)
        ball = smoothstep(1 + 1 / self._radius, 1 - 1 / self._radius, distance)
        canvas.cover(ball, self._surface(across, down, time), top, left)
        if ring is not None:
            canvas.cover(ring * (1 - self._behind(across, down)), self._ramp[:, 190] * 0.9, top, left)

    def _surface(self, across: Plane, down: Plane, time: float) -> Plane:
        depth = np.sqrt(np.clip(1 - across**2 - down**2, 0.0, 1.0))
        lean_x = across * np.cos(self._tilt) + down * np.sin(self._tilt)
        lean_y = down * np.cos(self._tilt) - across * np.sin(self._tilt)
        u = np.arctan2(lean_x, depth + 1e-3) * 82 + time * 3
        v = np.arcsin(np.clip(lean_y, -1, 1)) * 82
        stretch, wind = (0.22, 22.0) if self._gas else (1.0, 14.0)
        swirl = sample(self._tile, u * 1.3, v * 1.3)
        detail = sample(
            self._tile, u * stretch + swirl * 3, v * (2.2 if self._gas else 1.0) + swirl * wind * 0.35
        )
        tone = np.clip(0.46 + 0.20 * detail + 0.05 * swirl, 0, 1)
        facing = across * self._sun[0] + down * self._sun[1] + depth * self._sun[2]
        light = smoothstep(-0.12, 0.95, facing) * 1.15 + 0.012
        rim = (1 - depth) ** 3 * smoothstep(-0.2, 0.6, facing) * 0.9
        index = (tone * 255).astype(np.uint8)
        return np.stack([self._ramp[c][index] * light + self._air[c] * rim for c in range(3)]).astype(
            np.float32
        )

    def _atmosphere(
        self, canvas: Canvas, distance: Plane, across: Plane, down: Plane, top: int, left: int
    ) -> None:
        facing = (across * self._sun[0] + down * self._sun[1]) / np.maximum(distance, 0.1)
        halo = np.exp((distance - 1.0) / -0.055) * (distance > 0.97) * smoothstep(-0.5, 1.0, facing)
        canvas.shine(plane(halo * 0.5), self._air, top, left)

    def _ring(self, across: Plane, down: Plane) -> Plane:
        x = across * np.cos(self._tilt) + down * np.sin(self._tilt)
        y = (down * np.cos(self._tilt) - across * np.sin(self._tilt)) / 0.26
        far = np.hypot(x, y)
        grooves = sample(self._tile, far * 70, far * 0)
        lit = (
            smoothstep(1.28, 1.34, far)
            * smoothstep(2.25, 2.1, far)
            * np.clip(0.55 + 0.28 * grooves, 0.05, 0.95)
        )
        return plane(lit * (1 - 0.75 * (smoothstep(1.7, 1.73, far) * smoothstep(1.80, 1.77, far))))

    def _behind(self, across: Plane, down: Plane) -> Plane:
        return plane((down * np.cos(self._tilt) - across * np.sin(self._tilt)) < 0)


class Curtains:
    """The aurora: folded curtains of rays, green below, violet above."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng
        self._rays = fractal(rng, 1.15, 3, 120)
        grid = np.linspace(0, 1, stage.width)
        count = int(rng.integers(2, 5))
        self._folds = [plane(line(rng, grid * 0.8, 1.7, 14)) for _ in range(count)]
        self._levels = rng.uniform(0.28, 0.52, count).tolist()
        self._power = rng.uniform(0.45, 1.0, count).tolist()
        turn = float(rng.normal(0, 12))
        self._low = Lch(0.84, 0.19, 158 + turn).light
        self._high = Lch(0.60, 0.17, 310 + turn).light

    def paint(self, canvas: Canvas, time: float) -> None:
        down = canvas.down() / canvas.height
        for number, fold in enumerate(self._folds):
            swing = fold + 0.06 * np.sin(np.arange(canvas.width) / canvas.unit * 5 + time * 0.6 + number * 2)
            foot = self._levels[number] + 0.08 * plane(swing)[None, :]
            ray = sample(
                self._rays,
                fold[None, :] * 60 + canvas.across / canvas.unit * 55 + time * 2,
                time * 3 + number * 99,
            )
            tall = 0.16 + 0.06 * ray
            height = foot - down
            body = np.exp(np.maximum(height, 0.0) / -np.maximum(tall, 0.05)) * smoothstep(-0.03, 0.07, height)
            strength = body * np.clip(0.55 + 0.40 * ray, 0.05, 1.3) * self._power[number]
            violet = smoothstep(0.08, 0.34, height)
            for channel in range(3):
                canvas.light[channel] += (
                    plane(strength) * mix(self._low[channel], self._high[channel], violet) * 0.85
                )
