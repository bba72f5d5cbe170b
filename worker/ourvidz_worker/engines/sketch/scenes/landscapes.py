"""Open country under a sky."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Plane, plane, smoothstep
from ourvidz_worker.engines.sketch.colour import Lch
from ourvidz_worker.engines.sketch.landmarks import Boat, Lighthouse
from ourvidz_worker.engines.sketch.noise import fractal, line
from ourvidz_worker.engines.sketch.scenes.forest import tree_line
from ourvidz_worker.engines.sketch.sky import Clouds, Sky, Stars
from ourvidz_worker.engines.sketch.stage import Layer, Stage
from ourvidz_worker.engines.sketch.terrain import Ground, Terrain
from ourvidz_worker.engines.sketch.water import Water

_SNOW = Lch(0.97, 0.012, 250).light


def _heavens(stage: Stage, horizon: float, sun_x: float | None = None) -> tuple[Sky, list[Layer]]:
    sky = Sky(stage, horizon, sun_x)
    layers: list[Layer] = [sky]
    if stage.parameters.night > 0.3:
        layers.append(Stars(stage, horizon))
    layers.append(Clouds(stage, sky))
    return sky, layers


def mountains(stage: Stage) -> Iterator[Layer]:
    sky, layers = _heavens(stage, float(stage.rng.uniform(0.50, 0.58)))
    yield from layers
    lake = bool(stage.words & {"lake", "river", "fjord", "water", "reflection"}) or stage.rng.random() < 0.65
    land = Terrain(stage, alps(stage, lake=lake), sky)
    yield land
    if lake:
        yield Water(stage, sky, 0.12, land)
    if stage.rng.random() < 0.7:
        tall, foot = float(stage.rng.uniform(0.16, 0.34)), float(stage.rng.uniform(0.95, 1.02))
        yield tree_line(stage, 0.94, tall=tall, foot=foot)


def alps(stage: Stage, *, lake: bool) -> Ground:
    rng, parameters = stage.rng, stage.parameters
    big, small = fractal(rng, 2.3, 3, 60), fractal(rng, 1.9, 10, 160)
    crest = 1.0 - np.abs(big) * 0.75
    heights = plane(
        0.66 * crest + 0.20 * (1.0 - np.abs(small)) * np.clip(crest + 0.3, 0.1, 1.1) + 0.02 * small
    )
    drift = float(rng.uniform(-0.25, 0.25))
    bend = float(rng.uniform(0, 6.28))

    def shape(x: Plane, z: Plane) -> tuple[Plane, Plane]:
        middle = drift * z + 16 * np.sin(z / 75 + bend)
        aside = smoothstep(8.0, 130.0, np.abs(x - middle) - 0.05 * z)
        far = smoothstep(260.0, 700.0, z)
        relief = 6.0 + 58.0 * aside + 85.0 * far
        return plane(-4.0 - (3.5 if lake else 0.0) + 26.0 * aside * smoothstep(10, 160, z)), plane(relief)

    return Ground(
        heights,
        shape,
        low=parameters.leaf.light
        if parameters.snow < 0.9
        else plane(0.75 * _SNOW + 0.25 * parameters.shade.light),
        steep=parameters.rock.light,
        high=_SNOW,
        grit=0.2 if parameters.snow < 0.9 else 0.05,
        high_from=66.0 * (1.15 - parameters.snow),
        cell=0.30,
        camera=13.0,
        water=lake,
    )


def coast(stage: Stage) -> Iterator[Layer]:
    sky, layers = _heavens(stage, float(stage.rng.uniform(0.52, 0.60)))
    yield from layers
    land = Terrain(stage, _headlands(stage, sky), sky)
    yield land
    yield Water(stage, sky, float(stage.rng.uniform(0.6, 1.0)), land)
    if stage.words & {"lighthouse", "beacon"} or stage.rng.random() < 0.4:
        yield Lighthouse(stage, sky, land)
    if (
        stage.words & {"boat", "ship", "sail", "sailing", "yacht", "harbor", "harbour"}
        or stage.rng.random() < 0.3
    ):
        yield Boat(stage, sky)


def _headlands(stage: Stage, sky: Sky) -> Ground:
    rng, parameters = stage.rng, stage.parameters
    side = 1.0 if sky.sun_x < stage.width / 2 else -1.0
    big, small = fractal(rng, 2.0, 2, 60), fractal(rng, 1.6, 8, 256)
    bend = float(rng.uniform(0.6, 2.2))
    rock_x = float(rng.uniform(0.17, 0.30)) * stage.width / stage.unit * 62.0
    heights = plane(0.55 * big + 0.30 * (1.0 - np.abs(small)))

    def shape(x: Plane, z: Plane) -> tuple[Plane, Plane]:
        inland = (x * side - 9.0 - 0.12 * z + 17 * np.sin(z / 34.0 + bend)) / 15.0
        rock = np.hypot(x - side * rock_x, (z - 62.0) * 0.8) / 13.0
        cliff = np.maximum(smoothstep(-0.5, 1.6, inland), smoothstep(1.25, 0.45, rock) * 0.85)
        return plane(-10.0 + 17.0 * cliff + 3.0 * smoothstep(100, 500, z)), plane(4.0 + 7.0 * cliff)

    return Ground(
        heights,
        shape,
        low=parameters.leaf.light,
        steep=parameters.rock.light,
        high=_SNOW if parameters.snow > 0.9 else parameters.leaf.scaled(1.1).light,
        high_from=3.0 if parameters.snow > 0.9 else 16.0,
        camera=9.0,
        water=True,
    )


def dunes(stage: Stage) -> Iterator[Layer]:
    sky, layers = _heavens(stage, float(stage.rng.uniform(0.46, 0.56)))
    yield from layers[:2]
    yield Terrain(stage, _sand(stage, sky), sky)


def _sand(stage: Stage, sky: Sky) -> Ground:
    rng, parameters = stage.rng, stage.parameters
    warp = fractal(rng, 2.2, 1.5, 24)
    rows, columns = np.mgrid[0:512, 0:512].astype(np.float32) * np.float32(2 * np.pi / 512)
    phase = rows * 6 + columns * 11 + 2.8 * warp
    wave = (phase / (2 * np.pi)) % 1.0
    crest = np.where(wave < 0.72, smoothstep(0.0, 0.72, wave) ** 1.3, 1.0 - (wave - 0.72) / 0.28)
    ripples = np.sin(rows * 120 + columns * 30 + 14 * warp) * 0.004
    heights = plane(
        crest * (0.8 + 0.3 * np.roll(warp, 100, 0)) + ripples + 0.08 * line(rng, np.linspace(0, 1, 512))[None]
    )
    if sky.sun_x > stage.width / 2:
        heights = heights[:, ::-1]  # the long slopes face the sun
    sand = Lch(0.74, 0.085, 68).towards(parameters.accent.hue, 0.12).light

    def shape(x: Plane, z: Plane) -> tuple[Plane, Plane]:
        return plane(0.0 * z - 2.0 + 0.02 * z), plane(9.5 + 0.006 * z + 0.0 * x)

    return Ground(
        heights,
        shape,
        low=sand,
        steep=sand * 0.9,
        high=sand,
        high_from=1e9,
        camera=15.0,
        cell=0.75,
        haze=0.7,
        shadow=1.0,
        grit=0.03,
    )
