"""Open country under a sky."""

from __future__ import annotations

from collections.abc import Iterator

from ourvidz_worker.engines.sketch.sky import Clouds, Sky, Stars
from ourvidz_worker.engines.sketch.stage import Layer, Stage


def mountains(stage: Stage) -> Iterator[Layer]:
    horizon = float(stage.rng.uniform(0.50, 0.60))
    sky = Sky(stage, horizon)
    yield sky
    if stage.mood.night > 0.3:
        yield Stars(stage, horizon)
    yield Clouds(stage, sky)
