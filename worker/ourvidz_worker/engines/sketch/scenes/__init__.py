"""The kinds of scene, and the choice of one for a prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ourvidz_worker.engines.sketch.scenes import city, forest, landscapes, space, studio
from ourvidz_worker.engines.sketch.stage import Layer, Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """`compose` yields the layers from back to front; `presets` are used where the prompt matches none."""

    name: str
    words: frozenset[str]
    compose: Callable[[Stage], Iterator[Layer]]
    presets: tuple[str, ...] = ("sunset", "dawn", "day", "dusk", "autumn", "sunset", "dawn")


def _scene(name: str, compose: Callable[[Stage], Iterator[Layer]], words: str, presets: str = "") -> Scene:
    word_set = frozenset(words.split())
    return (
        Scene(name, word_set, compose, tuple(presets.split())) if presets else Scene(name, word_set, compose)
    )


SCENES = (
    _scene("aurora", space.aurora, "aurora northern borealis lights polar iceland", "night"),
    _scene(
        "space",
        space.space,
        "space planet galaxy nebula cosmos cosmic universe saturn jupiter orbit astronaut spaceship alien",
        "night",
    ),
    _scene(
        "still_life",
        studio.still_life,
        "still life vase bowl fruit ceramic pottery bottle table kitchen food product cup",
        "sunset dawn autumn day dusk",
    ),
    _scene(
        "flowers",
        studio.flowers,
        "flower blossom bloom rose tulip garden petal poppy daisy lily sunflower bouquet botanical",
        "day dawn sunset autumn",
    ),
    _scene(
        "city",
        city.city,
        "city skyline street building tower skyscraper urban metropolis neon cyberpunk tokyo york downtown",
        "night dusk dusk sunset night",
    ),
    _scene("dunes", landscapes.dunes, "desert dune sand sahara oasis camel", "sunset day dawn dusk sunset"),
    _scene(
        "coast",
        landscapes.coast,
        "sea coast ocean beach lighthouse harbor harbour island boat ship wave shore bay sailing",
    ),
    _scene(
        "forest",
        forest.forest,
        "forest wood woods tree pine conifer jungle woodland grove fir fox deer wolf bear",
        "dawn autumn dusk sunset dawn day",
    ),
    _scene(
        "mountains",
        landscapes.mountains,
        "mountain valley hill peak alps alpine summit cliff landscape lake fjord glacier canyon meadow",
    ),
    _scene(
        "silk",
        studio.silk,
        "abstract silk fabric flow fluid liquid marble pattern portrait face woman man person paint smoke",
    ),
)


def choose_scene(words: frozenset[str], prompt: str) -> Scene:
    """The scene that matches most words; if none does, one chosen by the prompt's hash."""
    scores = [len(words & scene.words) for scene in SCENES]
    if max(scores):
        return SCENES[scores.index(max(scores))]
    return SCENES[hashlib.sha256(prompt.encode()).digest()[0] % len(SCENES)]
