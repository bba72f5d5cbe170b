"""Indoors and within: flowers, vessels under one soft light, folds of silk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, Rng, mix, plane, smoothstep
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.colour import Lch, gradient
from ourvidz_worker.engines.sketch.noise import fractal, sample
from ourvidz_worker.engines.sketch.stage import Layer, Stage


def silk(stage: Stage) -> Iterator[Layer]:
    yield Silk(stage)


def still_life(stage: Stage) -> Iterator[Layer]:
    room = Room(stage)
    yield room
    yield from vessels(stage, room)


def flowers(stage: Stage) -> Iterator[Layer]:
    yield Blur(stage)
    for depth in np.linspace(0, 1, 4):
        yield Blossoms(stage, float(depth))


def _harmony(stage: Stage) -> list[Lch]:
    """Five colours, from deep to pale, around the mood's own."""
    mood, rng = stage.mood, stage.rng
    other = mood.accent.turned(float(rng.choice([-1, 1])) * float(rng.choice([40, 75, 150])))
    return [
        mood.shade.scaled(0.72, 1.1),
        mood.accent.scaled(0.78, 0.95),
        other._replace(lightness=0.70).scaled(chroma=0.8),
        mood.horizon,
        mood.sun.scaled(1.0, 0.7),
    ]


class Silk:
    """A warped sheet: smooth folds, lit from one side."""

    def __init__(self, stage: Stage) -> None:
        rng = stage.rng
        self._tiles = [fractal(rng, 2.7, 1.5, 24) for _ in range(3)]
        colours = _harmony(stage)
        stops = list(zip(np.linspace(0, 1, len(colours)).tolist(), colours, strict=True))
        self._ramp = gradient(stops, plane(np.linspace(0, 1, 512)))
        self._folds = float(rng.uniform(3.0, 5.5))
        self._lean = float(rng.uniform(0.5, 1.6))
        self._sheen = stage.mood.sun.light

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


class Room:
    """A wall and a table, with the light falling from one side."""

    def __init__(self, stage: Stage) -> None:
        rng, mood = stage.rng, stage.mood
        self.edge = float(rng.uniform(0.60, 0.68)) * stage.height
        self.side = float(rng.choice([-1.0, 1.0]))
        self.light = mood.sun.scaled(1.0, 0.55).light * (1.0 - 0.35 * mood.night)
        self.shade = mood.shade.light
        wall = Lch(0.66, 0.055, mood.accent.hue + 180 + float(rng.uniform(-35, 35)))
        self._wall = wall.scaled(1.0 - 0.45 * mood.night).light
        self._table = wall.turned(float(rng.uniform(-60, 60))).scaled(0.72 - 0.2 * mood.night, 1.1).light
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
    colours = [_harmony(stage)[n] for n in (1, 2, 3, 4)]
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


class Blur:
    """What is out of focus behind the flowers: soft greens and discs of light."""

    def __init__(self, stage: Stage) -> None:
        rng, mood = stage.rng, stage.mood
        self._column = gradient(
            [
                (0, mood.horizon.scaled(0.95)),
                (0.45, mood.leaf.scaled(1.15, 0.8)),
                (1, mood.leaf.scaled(0.55)),
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
        self._lamp = mood.sun.light

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
        rng, mood = stage.rng, stage.mood
        count = int(9 - 5 * nearness)
        size = stage.unit * (0.045 + 0.125 * nearness**1.2)
        self._soft = stage.unit * (0.010 * (1 - nearness) ** 2 + 0.0012)
        self._stem = mood.leaf.scaled(0.62 + 0.2 * (1 - nearness)).light
        across = np.linspace(-0.05, 1.05, count) + rng.normal(0, 0.05, count)
        self._heads = [
            (
                float(across[n] * stage.width),
                float(stage.height * (0.34 + 0.30 * nearness + rng.normal(0, 0.08))),
                size * float(rng.uniform(0.75, 1.25)),
                int(rng.integers(5, 10)),
                float(rng.uniform(0.5, 0.95)),
                float(rng.uniform(0, 6.28)),
                _petal_colours(rng, mood.accent),
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
