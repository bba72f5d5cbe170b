"""The operator's settings for an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PRECISIONS = ("auto", "float32", "float16", "bfloat16")
OFFLOADS = ("none", "model", "group", "sequential")
ATTENTIONS = ("auto", "math", "flash", "sage", "xformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Models are a folder in diffusers' format or a name on the hub; an adapter is one .safetensors file.

    `pace`: the minimum seconds per slot, for engines that are too quick to watch.
    `batch`: the number of slots denoised at once; only with 1 do a slot's pixels not depend on the others.
    """

    engine: str = "sketch"
    pace: float = 0.0
    model: str = ""
    image_model: str = ""
    enhancer: str = ""
    style_adapter: str = ""
    character_adapter: str = ""
    image_encoder: str = ""
    device: str = "auto"
    precision: str = "auto"
    offload: Literal["none", "model", "group", "sequential"] = "none"
    batch: int = 1
    attention: str = "auto"
    vae_tiling: bool = False
    allow_download: bool = False
