"""What every layer is made from: the size, the scene parameters, the words and the random generator."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ourvidz_worker.engines.sketch.arrays import Rng
from ourvidz_worker.engines.sketch.canvas import Canvas
from ourvidz_worker.engines.sketch.scene_parameters import SceneParameters


class Layer(Protocol):
    """One step of a picture. Precomputes in its constructor; paints any moment."""

    def paint(self, canvas: Canvas, time: float) -> None:
        """`time`: seconds since the film began, 0 for a still."""


@dataclass(frozen=True, slots=True)
class Stage:
    width: int
    height: int
    parameters: SceneParameters
    words: frozenset[str]
    rng: Rng

    @property
    def unit(self) -> int:
        return min(self.width, self.height)


def words_of(prompt: str) -> frozenset[str]:
    """Lower-case words, plurals also without their s."""
    found = re.findall(r"[a-z]+", prompt.lower())
    return frozenset(found) | {word[:-1] for word in found if len(word) > 3 and word.endswith("s")}


def source_of_chance(prompt: str, seed: int) -> Rng:
    """The prompt takes part: one seed under two prompts gives two arrangements, not one recoloured."""
    digest = hashlib.sha256(f"{seed}\n{' '.join(prompt.split())}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
