"""The array types of the sketch engine, and a few operations that numpy lacks."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ourvidz_worker.engines.base import Pixels as Pixels

Plane: TypeAlias = NDArray[np.float32]
Rng: TypeAlias = np.random.Generator


def plane(values: Any) -> Plane:
    """Converts to float32, without a copy if it is float32 already."""
    return np.asarray(values, dtype=np.float32)


def smoothstep(low: float, high: float, values: Any) -> Plane:
    """0 below `low`, 1 above `high`, smooth between; `low` may be the larger."""
    share = np.clip((plane(values) - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return plane(share * share * (3.0 - 2.0 * share))


def mix(start: Any, end: Any, share: Any) -> Plane:
    return plane(start + (end - start) * share)
