"""Single things that people made: a lighthouse on its cliff, a boat under sail."""

from __future__ import annotations

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Pixels, Plane, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch
from ourvidz_worker.engines.sketch.silhouette import Cutter
from ourvidz_worker.engines.sketch.sky import Sky
from ourvidz_worker.engines.sketch.stage import Stage
from ourvidz_worker.engines.sketch.terrain import Terrain


class Lighthouse:
    """Stands on the highest ground in sight; its lamp burns when the light is low."""

    def __init__(self, stage: Stage, sky: Sky, land: Terrain) -> None:
        parameters = stage.parameters
        self._land = land
        self._tall = int(stage.unit * float(stage.rng.uniform(0.20, 0.27)))
        self._x, self._z = _vantage(stage, land)
        self._side = 1.0 if sky.sun_x > stage.width / 2 else -1.0
        self._body, self._bands, self._lamp = _tower(self._tall)
        dim = 1.0 - 0.62 * parameters.night
        self._white = plane((0.5 * parameters.sun.light + 0.5 * parameters.middle.light) * dim)
        self._red = plane(Lch(0.52, 0.15, 28).light * dim)
        self._glow = Lch(0.92, 0.10, 85).light
        self._burning = max(
            parameters.night, 0.55 * (parameters.sun_height < 0.3), 0.7 * (parameters.cloud > 0.85)
        )

    def paint(self, canvas: Canvas, time: float) -> None:
        moved_x, moved_z = self._land.travelled(time)
        x, z = self._x - moved_x, self._z - moved_z
        height = float(self._land.height_at(plane([x]), plane([z]), time)[0])
        seen_x, seen_y, _ = self._land.project(x, height, z)
        top, left = int(seen_y) - self._tall + 3, int(seen_x) - self._tall // 2
        round_off = plane(np.linspace(-1, 1, self._tall) * 2.6)[None, :]
        shade = 0.50 + 0.55 * smoothstep(-1.0, 0.9, round_off * self._side)
        for mask, colour in ((self._body, self._white), (self._bands, self._red)):
            canvas.cover(_light(mask), plane(colour[:, None, None] * shade[None]), top, left)
        canvas.cover(_light(self._lamp), self._glow * (0.25 + 1.3 * self._burning), top, left)
        self._shine(canvas, left + self._tall / 2, top + self._tall * 0.115, time)

    def _shine(self, canvas: Canvas, x: float, y: float, time: float) -> None:
        if not self._burning:
            return
        across, down = canvas.across - x, canvas.down() - y
        far = np.hypot(across, down)
        swing = 0.10 + 0.12 * np.sin(time * 0.8)
        spread = np.abs(down - across * swing) / (np.abs(across) * 0.075 + 0.012 * canvas.unit)
        beam = np.exp(-(spread**2)) * np.exp(far / (-0.40 * canvas.unit))
        halo = np.exp(far / (-0.028 * canvas.unit))
        canvas.shine(plane((0.42 * beam + 0.9 * halo) * self._burning), self._glow)


class Boat:
    """Far out, on the open side."""

    def __init__(self, stage: Stage, sky: Sky) -> None:
        rng, parameters = stage.rng, stage.parameters
        self._size = int(stage.unit * float(rng.uniform(0.05, 0.10)))
        toward = 0.30 if sky.sun_x < stage.width / 2 else 0.70
        self._x = (toward + float(rng.uniform(-0.12, 0.12))) * stage.width
        self._y = sky.horizon + self._size * 0.30
        self._speed = float(rng.choice([-1, 1])) * stage.unit * 0.004
        self._hull, self._sails = _boat(self._size)
        self._dark = parameters.shade.scaled(0.55).light
        self._cloth = plane(
            (0.6 * parameters.sun.light + 0.4 * parameters.middle.light) * (1.0 - 0.7 * parameters.night)
        )

    def paint(self, canvas: Canvas, time: float) -> None:
        left = int(self._x + self._speed * time - self._size / 2)
        top = int(self._y - self._size + self._size * 0.02 * np.sin(time * 1.7))
        fading = plane(np.linspace(0.5, 0.05, self._size))[:, None]
        for mask, colour in ((self._sails, self._cloth), (self._hull, self._dark)):
            canvas.cover(_light(mask), colour, top, left)
            squat = _light(mask)[::-1][::2]
            canvas.cover(squat * fading[: len(squat)], colour, top + self._size, left)


def _vantage(stage: Stage, land: Terrain) -> tuple[float, float]:
    """The highest visible ground in the middle distance, in world units."""
    z = plane(np.linspace(48, 92, 12))[:, None]
    seen = plane(np.linspace(0.14, 0.86, 64))[None, :] - 0.5
    x = seen * stage.width / np.float32(land.focal) * z
    height = land.height_at(x, np.broadcast_to(z, x.shape))
    best = int(np.argmax(height - 0.08 * z))
    return float(x.ravel()[best]), float(np.broadcast_to(z, x.shape).ravel()[best])


def _light(mask: Pixels) -> Plane:
    return plane(mask * np.float32(1 / 255))


def _tower(tall: int) -> tuple[Pixels, Pixels, Pixels]:
    """Body, bands and lamp, each on a square sheet of side `tall`."""
    body, bands, lamp = Cutter(tall, tall), Cutter(tall, tall), Cutter(tall, tall)
    middle = tall / 2

    def half(share: float) -> float:
        return tall * (0.045 + 0.040 * share)

    def stretch(cutter: Cutter, start: float, end: float) -> None:
        top, foot = tall * (0.17 + 0.83 * start), tall * (0.17 + 0.83 * end)
        cutter.polygon(
            [
                (middle - half(start), top),
                (middle + half(start), top),
                (middle + half(end), foot),
                (middle - half(end), foot),
            ]
        )

    stretch(body, 0.0, 1.0)
    for band in (0.10, 0.46, 0.80):
        stretch(bands, band, band + 0.17)
    bands.box(middle - tall * 0.062, tall * 0.155, middle + tall * 0.062, tall * 0.180)
    bands.polygon([(middle - tall * 0.045, tall * 0.075), (middle, 0), (middle + tall * 0.045, tall * 0.075)])
    lamp.box(middle - tall * 0.032, tall * 0.075, middle + tall * 0.032, tall * 0.155)
    return body.mask(), bands.mask(), lamp.mask()


def _boat(size: int) -> tuple[Pixels, Pixels]:
    hull, sails = Cutter(size, size), Cutter(size, size)
    hull.polygon(
        [(size * 0.12, size * 0.84), (size * 0.92, size * 0.82), (size * 0.78, size), (size * 0.24, size)]
    )
    hull.box(size * 0.495, 0, size * 0.51, size * 0.84)
    sails.polygon([(size * 0.52, size * 0.04), (size * 0.54, size * 0.76), (size * 0.90, size * 0.76)])
    sails.polygon([(size * 0.48, size * 0.10), (size * 0.46, size * 0.76), (size * 0.16, size * 0.76)])
    return hull.mask(), sails.mask()
