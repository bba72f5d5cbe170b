"""The script that both patterns play: who submits what, and what the network does to each callback."""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

IMAGES = 6
OWNERS = 20
# How often somebody presses the button again with the same prompt while the first job still waits.
REPEATED = 0.10


class Fate(enum.Enum):
    """What happens to a callback."""

    ARRIVES = enum.auto()
    LOST = enum.auto()
    TWICE_AFTER = enum.auto()  # once more after the first was answered
    TWICE_AT_ONCE = enum.auto()  # both before either was answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One job. `second_fate` is that of the callback's repetition, where the pattern repeats a lost one."""

    owner: int
    prompt: str
    fate: Fate
    second_fate: Fate
    before_previous_ends: bool


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What is in the database when the stream has run dry, and what it cost."""

    jobs: int
    expected: int
    lost: int
    doubled: int
    events: int
    queries: int
    upload_queries: int
    placeholders_left: int
    orphans: int
    linked_to_another_job: int
    duplicates: int
    missing: int
    unfinished: int

    def figures(self) -> dict[str, float]:
        per_job = {
            "queries_per_job": round(self.queries / self.jobs, 2),
            "upload_queries_per_job": round(self.upload_queries / self.jobs, 2),
        }
        return asdict(self) | per_job


class Pattern(Protocol):
    def play(self, stream: Sequence[Step]) -> Outcome: ...


def make_stream(jobs: int, *, lost: float, doubled: float, seed: int) -> list[Step]:
    """The same steps for the same arguments. Half of the doubled callbacks race their twin."""
    chance = random.Random(seed)
    steps: list[Step] = []
    for number in range(jobs):
        again = bool(steps) and not steps[-1].before_previous_ends and chance.random() < REPEATED
        owner = steps[-1].owner if again else chance.randrange(OWNERS)
        prompt = steps[-1].prompt if again else f"a lighthouse, number {number}"
        fates = [_fate(chance.random(), lost, doubled) for _ in range(2)]
        steps.append(
            Step(owner=owner, prompt=prompt, fate=fates[0], second_fate=fates[1], before_previous_ends=again)
        )
    return steps


def _fate(drawn: float, lost: float, doubled: float) -> Fate:
    if drawn < lost:
        return Fate.LOST
    if drawn < lost + doubled / 2:
        return Fate.TWICE_AFTER
    if drawn < lost + doubled:
        return Fate.TWICE_AT_ONCE
    return Fate.ARRIVES


def batches(stream: Sequence[Step]) -> list[list[Step]]:
    """Jobs that wait at the same time: one, or one and its repetition by the same owner."""
    found: list[list[Step]] = []
    for step in stream:
        if step.before_previous_ends:
            found[-1].append(step)
        else:
            found.append([step])
    return found
