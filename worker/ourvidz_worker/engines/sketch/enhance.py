"""A modest stand-in for the language model of the enhanced job types: the prompt and a few fitting words."""

from __future__ import annotations

from ourvidz_worker.engines.sketch.scenes import Scene, choose_scene
from ourvidz_worker.engines.sketch.stage import words_of

_LIGHT = "soft layered light"
_FITTING = {
    "coast": "long reflections on calm water, distant headlands, salt haze",
    "mountains": "ridge behind ridge in blue distance, morning mist in the valley",
    "forest": "tall conifers fading into fog, shafts of light between the trunks",
    "city": "lit windows, a glowing skyline mirrored in the river",
    "dunes": "wind-carved crests, fine ripples, long shadows",
    "space": "deep star field, glowing nebula, a thin atmosphere on the limb",
    "aurora": "curtains of green light over dark peaks, a still lake below",
    "flowers": "petals in shallow focus, gentle bokeh, dew-fresh colour",
    "still_life": "sculptural forms, one large soft light, quiet shadows",
    "silk": "flowing folds, fine relief, harmonious colour",
}


def enhanced_prompt(prompt: str) -> str:
    """Deterministic: the same prompt gives the same enhancement."""
    scene: Scene = choose_scene(words_of(prompt), prompt)
    said = prompt.strip().rstrip(".,;")
    return f"{said}, {_FITTING[scene.name]}, {_LIGHT}, balanced composition, fine detail"
