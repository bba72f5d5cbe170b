"""From what a decoder gives to what files hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ourvidz_worker.engines.base import Pixels
from ourvidz_worker.protocol import AssetError

NOT_A_PICTURE = AssetError(
    "not_a_picture",
    "The model produced invalid numbers; try --precision bfloat16 or float32.",
    retryable=False,
)


def as_pixels(values: Any) -> Pixels | AssetError:
    """Of values 0..1; by rows of a picture or frames of a film, of which a copy takes hundreds of MB."""
    pixels = np.empty(values.shape, np.uint8)
    for given, made in zip(values, pixels, strict=True):
        if not np.isfinite(given).all():
            return NOT_A_PICTURE
        made[...] = np.rint(given * 255)
    return pixels
