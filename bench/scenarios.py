"""Fleets and queues for `script/bench estimates`, each from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from generation.catalog.job_types import JOB_TYPES, Engine

# What a result really takes, as a share of the job type's own estimate: that is written for other machines.
TRUTH = {
    "sdxl_image_fast": 0.27,
    "sdxl_image_high": 0.45,
    "image_fast": 0.6,
    "image_high": 0.9,
    "video_fast": 0.35,
    "video_high": 0.8,
    "image7b_fast_enhanced": 0.5,
}
# Of each job whatever it makes, s: the model is called in, the last file is stored.
OVERHEAD = 1.5
IMAGES = ("sdxl_image_fast", "sdxl_image_high", "sdxl_image_fast", "image_fast", "image_high")
SDXL = tuple(name for name, job_type in JOB_TYPES.items() if job_type.engine == Engine.SDXL)
WAN = tuple(name for name, job_type in JOB_TYPES.items() if job_type.engine == Engine.WAN)
VIDEOS = ("video_fast", "video_high")


@dataclass(frozen=True, slots=True)
class Machine:
    """A simulated worker. `slowness` multiplies every run time; it joins and goes at these moments (s)."""

    slowness: float = 1.0
    pools: Sequence[str] = (*SDXL, *WAN)
    joins: float = 0.0
    goes: float | None = None
    how: Literal["drains", "dies"] = "drains"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission at a moment (s)."""

    at: float
    owner: int
    job_type: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet with a queue. `noise` is the spread of a run time's logarithm, `failures` a share of slots."""

    name: str
    machines: Sequence[Machine]
    arrivals: Sequence[Arrival]
    noise: float = 0.12
    failures: float = 0.0


def scenarios(*, quick: bool) -> list[Scenario]:
    count = 24 if quick else 60
    only = slice(0, 2) if quick else slice(None)
    images = (*SDXL, "image_fast", "image_high")
    three = [Machine(0.6), Machine(1.0), Machine(1.9)]
    split = [Machine(0.7, SDXL), Machine(1.3, SDXL), Machine(1.0, WAN), Machine(1.6), Machine(0.8, images)]
    going = [
        Machine(1.0),
        Machine(0.7, goes=260),
        Machine(1.4, joins=150),
        Machine(1.2, goes=420, how="dies"),
    ]
    return [
        Scenario("one machine, images and videos", [Machine()], arrivals(count, every=24, seed=1)),
        Scenario("three machines, slow to fast", three, arrivals(count, every=8, seed=2)),
        Scenario(
            "six machines with pools of their own", [*split, Machine(1.1, VIDEOS)], arrivals(count, 6, seed=3)
        ),
        Scenario("a burst of one owner, then newcomers", three[:2], burst(count, seed=4)),
        Scenario("machines come, drain and die", going, arrivals(count, every=9, seed=5)),
        Scenario(
            "slots fail and are made again", three[:2], arrivals(count, every=15, seed=6), failures=0.12
        ),
        Scenario("run times vary much", three, arrivals(count, every=8, seed=7), noise=0.35),
        Scenario("mostly idle", three[:2], arrivals(count // 2, every=45, seed=8)),
    ][only]


def arrivals(count: int, every: float, *, seed: int, start: float = 1.0) -> list[Arrival]:
    """Submissions of four owners, at intervals of chance; one job in six is a video."""
    chance = random.Random(seed)
    at, found = start, []
    for _ in range(count):
        found.append(_arrival(chance, at, owner=chance.choice((0, 0, 1, 2, 3))))
        at += chance.expovariate(1 / every)
    return found


def burst(count: int, *, seed: int) -> list[Arrival]:
    """Two thirds of the jobs from one owner at once, the others' as they come."""
    chance = random.Random(seed)
    first = count * 2 // 3
    at_once = [_arrival(chance, 1.0 + 0.5 * number, owner=0) for number in range(first)]
    return at_once + [
        _arrival(chance, 30.0 + 20.0 * number, owner=1 + number % 3) for number in range(count - first)
    ]


def _arrival(chance: random.Random, at: float, *, owner: int) -> Arrival:
    job_type = chance.choice(VIDEOS) if chance.random() < 1 / 6 else chance.choice(IMAGES)
    return Arrival(at, owner, job_type, chance.choice(JOB_TYPES[job_type].quantities))
