"""The kinds of scene, and which one a prompt asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ourvidz_worker.engines.sketch.scenes import landscapes
from ourvidz_worker.engines.sketch.stage import Layer, Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """`compose` yields the layers from back to front; `moods` are drawn from where the prompt names none."""

    name: str
    words: frozenset[str]
    compose: Callable[[Stage], Iterator[Layer]]
    moods: tuple[str, ...] = ("sunset", "dawn", "day", "dusk", "autumn", "sunset", "dawn")


def _scene(name: str, compose: Callable[[Stage], Iterator[Layer]], words: str, moods: str = "") -> Scene:
    told = frozenset(words.split())
    return Scene(name, told, compose, tuple(moods.split())) if moods else Scene(name, told, compose)


SCENES = (
    _scene("mountains", landscapes.mountains, "mountain valley hill peak alps alpine summit cliff landscape"),
)


def choose_scene(words: frozenset[str], prompt: str) -> Scene:
    """The scene that most words speak of; where none does, one by the prompt's own hash."""
    scores = [len(words & scene.words) for scene in SCENES]
    if max(scores):
        return SCENES[scores.index(max(scores))]
    return SCENES[hashlib.sha256(prompt.encode()).digest()[0] % len(SCENES)]
