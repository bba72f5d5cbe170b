"""The variables that settings are read from; a number outside its range stops the start with a sentence."""

from __future__ import annotations

import math

from django.core.exceptions import ImproperlyConfigured
from environs import Env

env = Env()


def integer(name: str, default: int, low: int, high: float = math.inf) -> int:
    """A whole number from `low` to `high`, the default included."""
    value: int = env.int(name, default)
    _check(name, value, low, high)
    return value


def decimal(name: str, default: float, low: float, high: float) -> float:
    value: float = env.float(name, default)
    _check(name, value, low, high)
    return value


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        message = f"{name} is from {low} to {high}" if high < math.inf else f"{name} is from {low} on"
        raise ImproperlyConfigured(message)
