"""Enhances prompts without a language model: adds a few words that fit the scene."""

from __future__ import annotations

from ourvidz_worker.engines.sketch.scenes import Scene, choose_scene
from ourvidz_worker.engines.sketch.stage import prompt_words

_SUFFIX = "layered natural depth"
_SCENE_WORDS = {
    "coast": "long reflections, distant headlands, salt in the air",
    "mountains": "ridge behind ridge into the distance, thin haze on the lowlands",
    "forest": "tall conifers, rank behind rank, shafts of sun between the trunks",
    "city": "lit windows, high contrast, mirrored in still water",
    "dunes": "wind-carved crests, fine ripples, long shadows",
    "space": "deep field, luminous gas, a thin atmosphere on the limb",
    "aurora": "tall luminous curtains, sharp ridges, a perfect mirror below",
    "flowers": "shallow focus, round bokeh, dewdrops",
    "still_life": "sculptural forms, one large window, quiet shadows",
    "silk": "sweeping folds, fine relief, harmonious colour",
}


def enhanced_prompt(prompt: str) -> str:
    """Deterministic: the same prompt gives the same enhancement."""
    scene: Scene = choose_scene(prompt_words(prompt), prompt)
    base = prompt.strip().rstrip(".,;")
    return f"{base}, {_SCENE_WORDS[scene.name]}, {_SUFFIX}, balanced composition, fine detail"
