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
    """One layer of a picture. It precomputes in its constructor and can paint any moment."""

    def paint(self, canvas: Canvas, time: float) -> None:
        """`time`: seconds since the start of the film, 0 for an image."""


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


def prompt_words(prompt: str) -> frozenset[str]:
    """The prompt's words in lower case; plurals also without their s."""
    found = re.findall(r"[a-z]+", prompt.lower())
    return frozenset(found) | {word[:-1] for word in found if len(word) > 3 and word.endswith("s")}


def random_generator(prompt: str, seed: int) -> Rng:
    """A generator seeded with both: one seed with two prompts gives two arrangements, not one recoloured."""
    digest = hashlib.sha256(f"{seed}\n{' '.join(prompt.split())}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
