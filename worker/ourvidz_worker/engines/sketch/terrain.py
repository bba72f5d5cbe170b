"""Land in perspective: a height map seen from a low camera, sunlit, shadowed and lost in haze.

Every column of the picture walks away from the camera in steps; the nearest step that rises
above a pixel colours it. So only steps × columns need shading, whatever the size of the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch
from ourvidz_worker.engines.sketch.noise import TILE, fractal, sample
from ourvidz_worker.engines.sketch.sky import Sky
from ourvidz_worker.engines.sketch.stage import Stage

NEAREST, FARTHEST = 9.0, 900.0  # world units; one is about a person's height times four
_ROWS = 2  # samples a pixel, downwards


@dataclass(frozen=True, slots=True)
class Ground:
    """`shape` gives, for world (x, z), the ground's base height and how much of the tile is added to it."""

    heights: Plane
    shape: Callable[[Plane, Plane], tuple[Plane, Plane]]
    low: Plane
    steep: Plane
    high: Plane
    high_from: float
    cell: float = 0.55
    camera: float = 12.0
    water: bool = False
    shadow: float = 0.75
    haze: float = 1.0
    grit: float = 0.13


class Terrain:
    """`wet`: after painting, where water is seen, 0..1 a pixel; `horizon` in pixels."""

    def __init__(self, stage: Stage, ground: Ground, sky: Sky) -> None:
        self.ground = ground
        self.horizon = sky.horizon
        self.focal = stage.unit * 1.05
        self.wet: Plane | None = None
        self._stage = stage
        self._sky = sky
        self._steps = int(np.clip(stage.unit * 0.42, 160, 440))
        self._start = float(stage.rng.uniform(0, 512))
        self._dolly = float(stage.rng.choice([-1.0, 1.0]))
        self._slopes = [
            plane((np.roll(ground.heights, -1, axis) - np.roll(ground.heights, 1, axis)) / 2)
            for axis in (1, 0)
        ]
        self._grit = fractal(stage.rng, 0.9, 6, 200)
        self._light = stage.parameters.sun.light
        if stage.parameters.night > 0.7:
            self._light = Lch(0.86, 0.035, 250).light
        self._side = -1.0 if sky.sun_x < stage.width / 2 else 1.0
        self._sunlit = _shadows(ground.heights, self._side, stage.parameters.sun_height)
        self._depth = plane(np.geomspace(NEAREST, FARTHEST, self._steps))[:, None]

    def travelled(self, time: float) -> tuple[float, float]:
        """How far the camera has moved, (x, z)."""
        return self._dolly * 0.35 * time, 0.55 * time

    def height_at(self, x: Plane, z: Plane, time: float = 0.0) -> Plane:
        """Of the ground at world points as seen now."""
        moved_x, moved_z = self.travelled(time)
        base, relief = self.ground.shape(x + moved_x, z + moved_z)
        return plane(base + relief * sample(self.ground.heights, *self._tile_at(x + moved_x, z + moved_z)))

    def project(self, x: float, height: float, z: float) -> tuple[float, float, float]:
        """Where a world point is seen, and how many pixels a world unit has there."""
        scale = self.focal / z
        return self._stage.width / 2 + x * scale, self.horizon + (self.ground.camera - height) * scale, scale

    def paint(self, canvas: Canvas, time: float) -> None:
        x = (canvas.across - canvas.width / 2) / np.float32(self.focal) * self._depth
        moved_x, moved_z = self.travelled(time)
        tile_at = self._tile_at(x + moved_x, self._depth + moved_z)
        base, relief = self.ground.shape(x + moved_x, self._depth + moved_z)
        height = plane(base + relief * sample(self.ground.heights, *tile_at))
        water = height < 0.0 if self.ground.water else np.zeros_like(height, bool)
        height[water] = 0.0
        colours = self._shade(canvas, height, relief, tile_at)
        seen = self.horizon + (self.ground.camera - height) * (self.focal / self._depth)
        self._fill(canvas, plane(seen), np.concatenate([colours, water[None].astype(np.float32)]))

    def _tile_at(self, x: Plane, z: Plane) -> tuple[Plane, Plane]:
        cell = np.float32(self.ground.cell)
        return plane(x * cell + self._start), plane(
            np.broadcast_to(z * cell, np.broadcast_shapes(x.shape, z.shape))
        )

    def _shade(self, canvas: Canvas, height: Plane, relief: Plane, tile_at: tuple[Plane, Plane]) -> Plane:
        parameters, ground = self._stage.parameters, self.ground
        lean = relief * np.float32(ground.cell)
        slope_x, slope_z = (sample(slope, *tile_at) * lean for slope in self._slopes)
        upright = plane(1.0 / np.sqrt(1.0 + slope_x**2 + slope_z**2))
        lift = 0.35 + 0.5 * parameters.sun_height
        facing = (-slope_x * self._side * 0.85 + lift + slope_z * 0.25) * upright
        direct = np.maximum(facing, 0.0) * mix(1.0, sample(self._sunlit, *tile_at), ground.shadow)
        strength = (1.7 - 1.2 * parameters.night) * (1.0 - 0.45 * (parameters.cloud > 0.9))
        rough = smoothstep(0.93, 0.72, upright)
        topped = smoothstep(
            -0.12, 0.12, height / ground.high_from - 1.0 + 0.5 * (upright - 0.8)
        ) * smoothstep(0.45, 0.75, upright)
        fog = self._haze(canvas, height)
        grit = sample(self._grit, tile_at[0] * 7, tile_at[1] * 7) + sample(
            self._grit, tile_at[0] * 1.7, tile_at[1] * 1.7
        )
        mottled = np.clip(1.0 + ground.grit * grit / (1.0 + self._depth / 160), 0.4, 1.6)
        shaded = []
        for channel in range(3):
            albedo = mottled * mix(
                mix(ground.low[channel], ground.steep[channel], rough), ground.high[channel], topped
            )
            lit = direct * (strength * self._light[channel]) + self._ambient[channel] * (
                0.55 + 0.45 * upright
            )
            shaded.append(mix(albedo * lit, self._air[channel], fog))
        return plane(np.stack(shaded))

    @property
    def _ambient(self) -> Plane:
        parameters = self._stage.parameters
        return plane(0.50 * parameters.shade.light + 0.32 * parameters.middle.light)

    @property
    def _air(self) -> Plane:
        parameters = self._stage.parameters
        return plane(0.62 * parameters.horizon.light + 0.38 * parameters.middle.light)

    def _haze(self, canvas: Canvas, height: Plane) -> Plane:
        parameters = self._stage.parameters
        reach = 330.0 / (0.5 + 0.9 * parameters.mist) / self.ground.haze
        far = 1.0 - np.exp(self._depth / -reach)
        low = np.exp(np.maximum(height, 0.0) / -(self.ground.camera * 1.6)) * smoothstep(30, 260, self._depth)
        return plane(np.clip(far + (1.0 - far) * low * 0.55 * parameters.mist, 0.0, 0.985))

    def _fill(self, canvas: Canvas, seen: Plane, shades: Plane) -> None:
        """Paints, for every pixel, the nearest step whose edge lies above it."""
        edge = np.minimum.accumulate(np.minimum(seen, 1e6), axis=0)
        top = max(0, int(edge[-1].min()) - 1)
        rows, width = (canvas.height - top) * _ROWS, canvas.width
        if rows <= 0:
            return
        first = np.clip(np.ceil((edge - top) * _ROWS - 0.5), 0, rows).astype(np.int32)
        counts = np.bincount((first * width + np.arange(width)).ravel(), minlength=(rows + 1) * width)
        passed = np.cumsum(counts.reshape(rows + 1, width)[:rows], axis=0)
        step = np.minimum(self._steps - passed, self._steps - 1).astype(np.int32)
        column = np.arange(width, dtype=np.int32)
        here, before = step * width + column, np.maximum(step - 1, 0) * width + column
        level = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / _ROWS + top
        late, early = edge.ravel()[here], edge.ravel()[before]
        share = np.clip((early - level) / np.maximum(early - late, 1e-3), 0.0, 1.0)
        outline = np.clip(canvas.down(top) - edge[-1] + 0.5, 0.0, 1.0)
        for channel, shade in enumerate(shades):
            flat = shade.ravel()
            values = flat[before]
            if channel == 3:
                values *= flat[here]  # a shore belongs to the land
            else:
                values += (flat[here] - values) * share
            values = values.reshape(-1, _ROWS, width).mean(1)
            if channel == 3:
                self._remember_wet(canvas, values * outline, top)
            else:
                target = canvas.light[channel, top:]
                target += outline * (values - target)

    def _remember_wet(self, canvas: Canvas, values: Plane, top: int) -> None:
        self.wet = np.zeros((canvas.height, canvas.width), np.float32)
        self.wet[top:] = values


def _shadows(heights: Plane, side: float, sun_height: float) -> Plane:
    """1 in the light, 0 where higher ground towards the sun is in the way; soft at the edge."""
    fall = 0.016 + 0.03 * sun_height
    blocked = np.zeros((TILE, TILE), np.float32)
    for step in range(1, 40, 2):
        towards = np.roll(heights, (int(step * 0.35), -int(side * step)), (0, 1))
        np.maximum(blocked, towards - heights - step * fall, out=blocked)
    return smoothstep(0.16, 0.0, blocked)
