"""What a file says of how it was made, in the same words whichever program wrote it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from generation.core.text import CONTROL, plain_text

OURS = "OurVidz"  # the source of what our own workers write
MAX_PROMPT = 20_000  # characters
MAX_VALUE = 300
MAX_OTHERS = 60
MAX_JSON = 1024 * 1024
MAX_NUMBER = 2**64 - 1  # the largest seed that any of these programs has
MAX_SIDE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The settings that a file carries. `source` is the program that wrote them, `others` are what it says
    beyond the fields here, by its own names; `notes` are sentences about what could not be read.
    """

    source: str
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    others: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        known = (
            self.prompt,
            self.negative_prompt,
            self.seed is not None,
            self.width,
            self.others,
            self.notes,
        )
        return any(known)


def parameters(
    source: str,
    *,
    prompt: object = "",
    negative_prompt: object = "",
    seed: object = None,
    width: object = None,
    height: object = None,
    others: Iterable[tuple[str, object]] = (),
    notes: Iterable[str] = (),
) -> Parameters:
    """From values of any type, as they come out of a file; those that are none are left out."""
    sides = whole(width, MAX_SIDE) or None, whole(height, MAX_SIDE) or None
    named = ((text(name, 60), value_text(value)) for name, value in others)
    return Parameters(
        source=source,
        prompt=text(prompt, MAX_PROMPT),
        negative_prompt=text(negative_prompt, MAX_PROMPT),
        seed=whole(seed, MAX_NUMBER),
        width=sides[0] if all(sides) else None,
        height=sides[1] if all(sides) else None,
        others=tuple((name, value) for name, value in named if name and value)[:MAX_OTHERS],
        notes=tuple(text(note, MAX_VALUE) for note in notes),
    )


def text(value: object, most: int) -> str:
    """A text without control characters, at most so long; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return CONTROL.sub("", plain_text(value[: 2 * most])).strip()[:most]


def value_text(value: object) -> str:
    """A setting's value in one line; empty for none and for what has parts of its own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if abs(value) <= MAX_NUMBER else ""
    if isinstance(value, float):
        return f"{value:.10g}" if math.isfinite(value) else ""
    return " ".join(text(value, MAX_VALUE).split())


def whole(value: object, most: int) -> int | None:
    """A whole number from 0 to `most`, also where it is written as a text or with a decimal point."""
    if isinstance(value, str):
        value = value.strip()
        value = int(value) if value.isascii() and value.isdecimal() and len(value) <= 20 else None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def json_of(written: str) -> Any:
    """What a bounded JSON text holds; None for what is none, or is nested too deeply."""
    if len(written) > MAX_JSON or written.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(written, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def json_object(written: object) -> dict[str, Any]:
    """What an object holds, given as such or as JSON; empty for anything else."""
    found = json_of(written) if isinstance(written, str) else written
    return found if isinstance(found, dict) else {}
