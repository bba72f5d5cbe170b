"""What a model of the sketch engine does with a finished picture: its settings, and its styles as LoRAs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ourvidz_worker.engines.chosen import lora_weights
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.sketch.arrays import Pixels, Plane, plane
from ourvidz_worker.protocol import Job

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_SEPIA = np.array([1.08, 0.98, 0.80], np.float32)
_PALETTES: Mapping[str, tuple[float, float]] = {  # saturation, and how far towards white
    "natural": (1.0, 0.0),
    "vivid": (1.5, 0.0),
    "pastel": (0.65, 0.25),
    "sepia": (0.0, 0.0),
    "mono": (0.0, 0.0),
}


@dataclass(frozen=True, slots=True)
class Look:
    """`steps`: tones per channel, 0 for all; `guidance`: the contrast, of which 2 changes nothing; `detail`:
    0 soft, 0.5 as painted, 1 crisp; `styles`: weights by name.
    """

    palette: str = "natural"
    steps: int = 0
    guidance: float = 2.0
    detail: float = 0.5
    styles: Mapping[str, float] | None = None
    seed: int = 0

    @property
    def changes_nothing(self) -> bool:
        return self == Look(seed=self.seed)

    def apply(self, pixels: Pixels) -> Pixels:
        """The picture with this look; deterministic."""
        if self.changes_nothing:
            return pixels
        image = plane(pixels) / np.float32(255)
        image = _with_detail(image, self.detail)
        image = _with_palette(image, self.palette)
        for name, weight in (self.styles or {}).items():
            image = plane(image + _STYLES[name](image, self.seed) * np.float32(weight))
        image = 0.5 + (image - 0.5) * np.float32(0.6 + 0.2 * self.guidance)
        if self.steps:
            image = np.round(np.clip(image, 0, 1) * self.steps) / self.steps
        finished: Pixels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        return finished


def look_of(job: Job, model: ModelSettings, seed: int) -> Look:
    """The look that the job asks for, of what its model fixes or offers."""
    parameters, governed = job.parameters, {*model.fixed, *model.offer}
    return Look(
        palette=str(parameters.settings.get("palette", "natural")),
        steps=parameters.steps if "steps" in governed else 0,
        guidance=parameters.guidance if "guidance" in governed else 2.0,
        detail=float(parameters.settings.get("detail", 0.5)),
        styles=lora_weights(job, model) or None,
        seed=seed,
    )


def _with_detail(image: Plane, detail: float) -> Plane:
    if detail == 0.5:
        return image
    return plane(image + (2 * detail - 1) * (image - _blurred(image, 3)))


def _with_palette(image: Plane, palette: str) -> Plane:
    saturation, white = _PALETTES[palette]
    grey = (image @ _LUMA)[..., None]
    image = plane(grey + (image - grey) * saturation)
    if palette == "sepia":
        image = plane(image * _SEPIA)
    return plane(image + (1 - image) * white)


def _film_grain(image: Plane, seed: int) -> Plane:
    noise = np.random.default_rng(seed).standard_normal(image.shape[:2], dtype=np.float32)
    return plane(noise[..., None] * 0.08)


def _ink(image: Plane, seed: int) -> Plane:
    """Dark lines where the brightness changes."""
    down, across = np.gradient(image @ _LUMA)
    return plane(-np.clip(np.hypot(down, across) * 6, 0, 0.8)[..., None])


def _canvas(image: Plane, seed: int) -> Plane:
    """A weave of 4 px."""
    height, width = image.shape[:2]
    weave = np.sin(np.arange(height) * np.pi / 2)[:, None] + np.sin(np.arange(width) * np.pi / 2)[None, :]
    return plane(weave[..., None] * 0.05)


def _glow(image: Plane, seed: int) -> Plane:
    return plane(np.clip(_blurred(image, 12) - 0.35, 0, 1) * 0.6)


def _blurred(image: Plane, reach: int) -> Plane:
    pixels = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return plane(Image.fromarray(pixels).filter(ImageFilter.BoxBlur(reach))) / np.float32(255)


_STYLES: Mapping[str, Callable[[Plane, int], Plane]] = {
    "film-grain": _film_grain,
    "ink": _ink,
    "canvas": _canvas,
    "glow": _glow,
}
