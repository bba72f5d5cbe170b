"""What an entry of `[[models]]` can set, by engine: settings of a generation, and options of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

GPU_ENGINES = ("sdxl", "wan")
MODEL_ENGINES = ("sketch", "sdxl", "wan", "comfy")
"""Engines that an entry may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of one generation, which `set` fixes and `offer` leaves to the user.

    `engines`: those that know it. A text without `choices` is offered as a list of those that the file gives.
    """

    kind: Literal["whole", "number", "text"]
    lowest: float = 0.0
    highest: float = 0.0
    choices: tuple[str, ...] = ()
    engines: tuple[str, ...] = MODEL_ENGINES
    can_be_offered: bool = True


SETTINGS: Mapping[str, Setting] = {
    "steps": Setting(kind="whole", lowest=1, highest=200),
    "guidance": Setting(kind="number", lowest=0, highest=30),
    "guidance_2": Setting(kind="number", lowest=0, highest=30, engines=("wan",)),
    "guidance_rescale": Setting(kind="number", lowest=0, highest=1, engines=("sdxl",)),
    "scheduler": Setting(kind="text", engines=GPU_ENGINES),
    "shift": Setting(kind="number", lowest=0, highest=100, engines=("wan",)),
    "frames": Setting(kind="whole", lowest=1, highest=3000),
    "fps": Setting(kind="whole", lowest=1, highest=120),
    "clip_skip": Setting(kind="whole", lowest=0, highest=12, engines=("sdxl",)),
    "negative": Setting(kind="text", can_be_offered=False),
    "detail": Setting(kind="number", lowest=0, highest=1, engines=("sketch",)),
    "palette": Setting(
        kind="text",
        choices=("natural", "vivid", "pastel", "sepia", "mono"),
        engines=("sketch",),
    ),
}
"""The settings by name. The engine comfy knows those that its workflow binds, and others of its own."""

SKETCH_STYLES = ("film-grain", "ink", "canvas", "glow")
"""The LoRAs of the engine sketch, which has them built in."""

ENGINE_KEYS: Mapping[str, tuple[str, ...]] = {
    "sketch": ("pace",),
    "sdxl": (
        *("style_adapter", "character_adapter", "image_encoder"),
        *("precision", "offload", "batch", "attention", "vae_tiling"),
        *("prediction", "variant", "config"),
    ),
    "wan": (
        *("image_model", "enhancer", "transformer", "transformer_2"),
        *("precision", "offload", "attention", "vae_tiling"),
        *("variant", "config"),
    ),
    "comfy": ("url", "workflow", "bind", "output"),
}
"""The keys of an entry that its engine reads (`ModelSettings.options`). Those that are options of the command
line too replace its value for this model."""
