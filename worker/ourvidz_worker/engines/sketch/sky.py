"""Skies: gradient, sun or moon, stars, clouds."""

from __future__ import annotations

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import gradient
from ourvidz_worker.engines.sketch.noise import fractal, sample
from ourvidz_worker.engines.sketch.stage import Stage


class Sky:
    """The gradient down to the horizon, a sun or moon with its glow."""

    def __init__(self, stage: Stage, horizon: float, sun_x: float | None = None) -> None:
        parameters, rng = stage.parameters, stage.rng
        self.horizon = horizon * stage.height
        drawn = float(rng.uniform(0.18, 0.82))
        self.sun_x = (drawn if sun_x is None else sun_x) * stage.width
        self.sun_y = self.horizon * (1.0 - min(0.9, parameters.sun_height))
        self.radius = stage.unit * (0.030 if parameters.night > 0.7 else 0.042) * float(rng.uniform(0.8, 1.3))
        if parameters.sun_height > 0.5 and parameters.night < 0.7:
            self.radius *= 0.6  # high up it blinds rather than shows its size
        self._parameters = parameters
        self._seas = fractal(rng, 2.0, 6, 60)
        self._sun = parameters.sun.light
        # Drawn in the square root of height: the sky changes quickest near the horizon.
        height = plane(np.linspace(1.0, 0.0, int(self.horizon) + 1)) ** 0.75
        stops = ((0.0, parameters.horizon), (0.30, parameters.middle), (0.95, parameters.zenith))
        self._column = gradient(stops, height)

    def paint(self, canvas: Canvas, time: float) -> None:
        rows = self._column.shape[1]
        last = self._column[:, -1:]
        for channel in range(3):
            canvas.light[channel, :rows] = self._column[channel, : canvas.height, None]
            canvas.light[channel, rows:] = last[channel]
        self._paint_sun(canvas, self.sun_y - time * 0.0035 * canvas.height)

    def _paint_sun(self, canvas: Canvas, y: float) -> None:
        distance = np.hypot(canvas.across - self.sun_x, (canvas.down() - y))
        night = self._parameters.night
        reach = canvas.unit * (0.10 if night > 0.7 else 0.20)
        low = 1.0 - min(1.0, self._parameters.sun_height)
        glow = np.exp(distance / -reach) * (0.30 + 0.35 * low) * (1.0 - 0.55 * night)
        glow += np.exp(distance / -(reach * 3.2)) * (0.10 + 0.20 * low) * (1.0 - 0.6 * night)
        canvas.shine(plane(glow), self._sun)
        if self._parameters.cloud > 0.85:
            return  # somewhere behind the clouds
        disc = smoothstep(self.radius + 0.9, self.radius - 0.9, distance)
        if night < 0.7:
            canvas.cover(disc, self._sun * 1.5)
        else:
            seas = sample(
                self._seas,
                (canvas.across - self.sun_x) * (9 / self.radius),
                (canvas.down() - y) * (9 / self.radius),
            )
            canvas.cover(disc, plane(self._sun[:, None, None] * (0.82 - 0.20 * smoothstep(-0.2, 1.2, seas))))


class Stars:
    """Points of light that twinkle; kept as the pixels they touch, so that a film costs little."""

    def __init__(self, stage: Stage, horizon: float, density: float = 1.0) -> None:
        rng, count = stage.rng, int(900 * density)
        x = plane(rng.uniform(0, stage.width, count))
        share = plane(rng.uniform(0, 1, count) ** 1.2)
        power = rng.pareto(1.7, count).clip(0.05, 12) * 0.13
        tint = rng.uniform(0, 1, count)
        self._phase = rng.uniform(0, 2 * np.pi, count)
        self._pulse = 1.5 + 2.5 * tint
        bright = np.minimum(1.0, 1.4 * (1 - share)) * np.minimum(1.4, 0.2 + power) * stage.parameters.night
        self._colours = plane(np.stack([0.75 + 0.25 * tint, 0.86 + 0 * tint, 1.05 - 0.3 * tint]) * bright)
        radius = plane(np.maximum(0.55, (0.45 + 0.5 * np.minimum(1.6, power)) * stage.unit / 900))
        self._spread(stage, x, plane(share * (horizon * stage.height)), radius)

    def _spread(self, stage: Stage, x: Plane, y: Plane, radius: Plane) -> None:
        """Which pixels each star touches, and how much of it they get."""
        reach = int(np.ceil(radius.max() * 3))
        span = np.arange(-reach, reach + 1)
        columns = np.floor(x).astype(np.int32)[:, None, None] + span[None, None, :]
        rows = np.floor(y).astype(np.int32)[:, None, None] + span[None, :, None]
        far = (columns + 0.5 - x[:, None, None]) ** 2 + (rows + 0.5 - y[:, None, None]) ** 2
        share = np.exp(-far / (2 * radius[:, None, None] ** 2))
        inside = (
            (columns >= 0) & (columns < stage.width) & (rows >= 0) & (rows < stage.height) & (share > 0.004)
        )
        star, _, _ = np.nonzero(inside)
        self._star = star.astype(np.int32)
        self._pixel = (rows * stage.width + columns)[inside].astype(np.int32)
        self._share = plane(share[inside])

    def paint(self, canvas: Canvas, time: float) -> None:
        shown = 1.0 + 0.35 * np.sin(self._phase + time * self._pulse)
        for channel, colour in zip(canvas.light, self._colours, strict=True):
            np.add.at(channel.reshape(-1), self._pixel, self._share * plane(colour * shown)[self._star])


class Clouds:
    """Fractal clouds on a plane overhead, lit from the sun's side, thinning towards it."""

    def __init__(self, stage: Stage, sky: Sky) -> None:
        parameters, rng = stage.parameters, stage.rng
        self._tile = fractal(rng, 1.75, 1.5, 150)
        self._sky = sky
        self._amount = parameters.cloud
        self._drift = float(rng.choice([-1, 1])) * 4.0
        self._origin = (float(rng.uniform(0, 512)), float(rng.uniform(0, 512)))
        lit = parameters.sun if parameters.night < 0.4 else parameters.horizon.scaled(1.05)
        self._lit = lit.towards(parameters.horizon.hue, 0.5).light * (1.0 - 0.45 * parameters.night)
        self._dark = parameters.middle.towards(parameters.shade.hue, 0.5).scaled(0.86, 0.9).light
        self._stretch = float(rng.uniform(1.6, 3.2))

    def paint(self, canvas: Canvas, time: float) -> None:
        bottom = int(self._sky.horizon)
        if bottom < 8:
            return
        height = (self._sky.horizon - canvas.down(0, bottom)) / self._sky.horizon
        depth = 1.0 / (height * 1.6 + 0.16)
        x = (
            (canvas.across / canvas.unit - 0.5 * canvas.width / canvas.unit)
            * depth
            * 120
            / self._stretch
            * 1.6
        )
        u = x + self._origin[0] + self._drift * time
        v = depth * 130 + self._origin[1] + 0.6 * time
        density = sample(self._tile, u, v)
        side = -1.0 if self._sky.sun_x < canvas.width / 2 else 1.0
        lit = density - sample(self._tile, u + side * 7, v - 6)
        edge = 1.15 - 1.75 * self._amount
        cover = smoothstep(edge, edge + 1.5, density) * smoothstep(0.0, 0.12, height)
        tone = smoothstep(-0.45, 0.65, lit - 0.25 * cover)
        colour = [self._dark[c] + (self._lit[c] - self._dark[c]) * tone for c in range(3)]
        canvas.cover(plane(cover * 0.86), plane(np.stack(colour)))
