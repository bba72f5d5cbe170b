"""Turned forms on a table, under one soft light."""

from __future__ import annotations

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, Rng, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch
from ourvidz_worker.engines.sketch.noise import fractal, sample
from ourvidz_worker.engines.sketch.silk import harmony
from ourvidz_worker.engines.sketch.stage import Stage


class Room:
    """A wall and a table, with the light falling from one side."""

    def __init__(self, stage: Stage) -> None:
        rng, parameters = stage.rng, stage.parameters
        self.edge = float(rng.uniform(0.60, 0.68)) * stage.height
        self.side = float(rng.choice([-1.0, 1.0]))
        self.light = parameters.sun.scaled(1.0, 0.55).light * (1.0 - 0.35 * parameters.night)
        self.shade = parameters.shade.light
        wall = Lch(0.66, 0.055, parameters.accent.hue + 180 + float(rng.uniform(-35, 35)))
        self._wall = wall.scaled(1.0 - 0.45 * parameters.night).light
        self._table = (
            wall.turned(float(rng.uniform(-60, 60))).scaled(0.72 - 0.2 * parameters.night, 1.1).light
        )
        self._tile = fractal(rng, 1.4, 3, 200)

    def paint(self, canvas: Canvas, time: float) -> None:
        unit = canvas.unit
        lit = 0.62 - 0.38 * self.side * (canvas.across / canvas.width * 2 - 1) + 0.03 * np.sin(time * 0.5)
        pool = np.exp(
            -(
                (canvas.across / canvas.width - 0.5 + 0.22 * self.side) ** 2 * 5
                + (canvas.down() / canvas.height - 0.30) ** 2 * 7
            )
        )
        plaster = 1.0 + 0.025 * sample(self._tile, canvas.across * 300 / unit, canvas.down() * 300 / unit)
        wall = plane((0.35 * lit + 0.85 * pool) * plaster)
        near = smoothstep(self.edge, canvas.height * 1.25, canvas.down())
        top = plane((0.55 * lit + 0.35) * (1.05 - 0.45 * near) * plaster)
        mask = np.clip((canvas.down() - self.edge) / (0.004 * unit) + 0.5, 0, 1)
        for channel in range(3):
            canvas.light[channel] = mix(wall * self._wall[channel], top * self._table[channel], mask)


def vessels(stage: Stage, room: Room) -> list[Vessel]:
    """A few turned forms, the far ones first."""
    rng = stage.rng
    colours = [harmony(stage)[n] for n in (1, 2, 3, 4)]
    count = int(rng.integers(3, 6))
    places = np.linspace(0.5 - 0.075 * count, 0.5 + 0.075 * count, count) + rng.normal(0, 0.015, count)
    order = rng.permutation(count)
    made: list[Vessel] = []
    for number in range(count):
        colour = colours[int(rng.integers(len(colours)))].turned(float(rng.normal(0, 14)))
        x = stage.width / 2 + (places[number] - 0.5) * stage.unit * 1.0
        foot = room.edge + stage.unit * (0.035 + 0.05 * order[number] / count * 2)
        made.append(Vessel(rng, room, stage.unit, (float(x), float(foot)), colour))
    return sorted(made, key=lambda vessel: vessel.foot)


class Vessel:
    """A turned form: radius by height, shaded as a body of revolution."""

    def __init__(self, rng: Rng, room: Room, unit: int, place: tuple[float, float], colour: Lch) -> None:
        self.x, self.foot = place
        self._room = room
        self._colour = colour.light
        kind = rng.choice(["sphere", "vase", "bottle", "bowl", "vase", "bottle"])
        self._tall, self._profile = _profile(str(kind), rng, unit)
        self._gloss = float(rng.uniform(0.15, 0.7))

    def paint(self, canvas: Canvas, time: float) -> None:
        self._cast(canvas)
        radius = self._profile[:, None]
        rows = len(radius)
        top = int(self.foot) - rows
        wide = int(radius.max()) + 2
        left = int(self.x) - wide
        offset = np.arange(2 * wide, dtype=np.float32)[None, :] + 0.5 + left - self.x
        mask = np.clip(radius - np.abs(offset) + 0.5, 0, 1)
        around = np.clip(offset / np.maximum(radius, 1e-3), -1, 1)
        depth = np.sqrt(1.0 - around**2)
        rise = plane(np.gradient(self._profile))[:, None]
        upright = 1.0 / np.sqrt(1.0 + rise**2)
        side = -self._room.side
        normal_x, normal_y = around * upright, rise * upright
        facing = np.clip(
            normal_x * side * 0.62 - normal_y * -0.0 + -rise * upright * -0.42 * -1 + depth * upright * 0.52,
            0,
            1,
        )
        bounce = np.clip(normal_y, 0, 1) * 0.18 + 0.14
        spark = (
            np.clip(normal_x * side * 0.5 - normal_y * 0.35 + depth * upright * 0.76, 0, 1) ** 38
            * self._gloss
        )
        edge = (1 - depth) ** 4 * 0.12
        shaded = [
            self._colour[c]
            * (facing * 1.15 * self._room.light[c] + bounce * (0.4 + 0.6 * self._room.shade[c]))
            + (spark + edge) * self._room.light[c]
            for c in range(3)
        ]
        canvas.cover(plane(mask), plane(np.stack(shaded)), top, left)

    def _cast(self, canvas: Canvas) -> None:
        base, widest = float(self._profile[-8:].max()), float(self._profile.max())
        x = canvas.across - self.x
        y = canvas.down() - self.foot + base * 0.10
        contact = np.exp(-((x / (base * 1.15)) ** 2) - (y / (base * 0.22)) ** 2)
        along = x * self._room.side
        length = self._tall * 0.9
        thrown = np.exp(-(((y - along * 0.10) / (widest * 0.30)) ** 2)) * smoothstep(
            -widest * 0.4, widest * 0.5, along
        )
        thrown = thrown * smoothstep(length * 1.3, 0.0, along) * (canvas.down() > self._room.edge)
        dark = np.clip(0.75 * contact + 0.5 * thrown, 0, 0.85) * (canvas.down() > self._room.edge)
        canvas.light *= 1.0 - plane(dark)


def _profile(kind: str, rng: Rng, unit: int) -> tuple[float, Plane]:
    """Height in pixels, and the radius at every row from the top down."""
    size = unit * float(rng.uniform(0.85, 1.15))
    tall, radius = {
        "sphere": (0.20, 0.10),
        "vase": (0.34, 0.095),
        "bottle": (0.42, 0.065),
        "bowl": (0.13, 0.13),
    }[kind]
    rows = int(tall * size)
    t = plane((np.arange(rows) + 0.5) / rows)
    if kind == "sphere":
        curve = np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, 1))
    elif kind == "bowl":
        curve = np.sqrt(np.clip(1 - (t * 0.93) ** 2.2, 0, 1))
    else:
        neck = float(rng.uniform(0.22, 0.5))
        body = np.sin(np.pi * np.clip((t - 0.22) / 0.98, 0, 1) ** float(rng.uniform(0.75, 1.3))) ** 0.8
        lip = 0.10 * np.exp(-((t / 0.035) ** 2))
        curve = neck * (1 - smoothstep(0.15, 0.55, t)) + body * smoothstep(0.1, 0.5, t) + lip
        curve = curve / curve.max()
        curve *= smoothstep(1.06, 0.86, t) * 0.3 + 0.7
        curve *= 1.0 - 0.30 * np.clip((t - 0.93) / 0.07, 0.0, 1.0) ** 3
    return tall * size, plane(curve * radius * size)
