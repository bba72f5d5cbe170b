"""Indoors and within: flowers, vessels under one soft light, folds of silk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ourvidz_worker.engines.sketch.blossoms import Blossoms, Blur
from ourvidz_worker.engines.sketch.silk import Silk
from ourvidz_worker.engines.sketch.stage import Layer, Stage
from ourvidz_worker.engines.sketch.vessels import Room, vessels


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
