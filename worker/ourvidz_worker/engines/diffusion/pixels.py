"""Converts the VAE's output to bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ourvidz_worker.engines.base import Pixels
from ourvidz_worker.protocol import AssetError

INVALID_PIXELS = AssetError(
    "not_a_picture",
    "The model produced invalid numbers instead of a picture.",
    retryable=True,  # another worker, or this one once it is mended, makes a picture of it
    advice="Half precision overflows in some weights: try --precision bfloat16 or float32.",
)


def to_uint8(values: Any) -> Pixels | AssetError:
    """Converts values 0..1 row by row or frame by frame: a copy of a whole video takes hundreds of MB."""
    pixels = np.empty(values.shape, np.uint8)
    for row, converted in zip(values, pixels, strict=True):
        if not np.isfinite(row).all():
            return INVALID_PIXELS
        converted[...] = np.rint(row * 255)
    return pixels
