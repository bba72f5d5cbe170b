"""The text ("infotext") of AUTOMATIC1111's web UI, of its descendants, and of our own workers.

The prompt, a line that begins with "Negative prompt:", and one line of `Name: value` pairs, in which a value
with a comma, a colon or a line break is a JSON string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from generation.media.parameters.found import MAX_OTHERS, OURS, Parameters, parameters

NEGATIVE = "Negative prompt:"
SETTINGS = re.compile(r"\s*Steps:\s*\d")
NAME = re.compile(r"[\s,]*(\w[\w ./()-]{0,99}):\s*")
SIZE = re.compile(r"(\d{1,6})\s*[x×]\s*(\d{1,6})")
NETWORK = re.compile(
    r" {0,3},? {0,3}<(lora|lyco|hypernet):([^<>:]{1,200})(?::([^<>]{0,100}))?>", re.IGNORECASE
)
KINDS = {"lora": "LoRA", "lyco": "LoRA", "hypernet": "Hypernetwork"}
OUR_VERSION = "ourvidz-worker"
MAX_LINES = 10_000
# One of them is in a line of settings that does not begin with the steps.
TELLING = {"Seed", "Sampler", "CFG scale"}
FEWEST_FIELDS = 3


def from_infotext(text: str) -> Parameters | None:
    """What the text says; None if it is no such text."""
    lines = text.strip().split("\n", MAX_LINES)
    at = _settings_line(lines)
    if at is None:
        return None
    fields = dict(_fields(lines[at]))
    prompt, _, negative = _split_at_negative(lines[:at])
    is_ours = fields.get("Version", "").startswith(OUR_VERSION)
    if is_ours:  # its prompts loaded nothing
        networks = list(_loras(fields.pop("Loras", "")))
        negative = _typed(negative, fields.pop("Fixed negative prompt", ""))
    else:
        networks = [*_networks(prompt), *_networks(negative)]
        prompt, negative = without_networks(prompt), without_networks(negative)
    seed, size = fields.pop("Seed", None), SIZE.match(fields.pop("Size", ""))
    # Behind the settings an extension for templates writes where the prompt came from.
    templates = [tuple(map(str.strip, line.split(":", 1))) for line in lines[at + 1 :] if "emplate: " in line]
    width, height = size.groups() if size else (None, None)
    return parameters(
        OURS if is_ours else "AUTOMATIC1111",
        prompt=prompt,
        negative_prompt=negative,
        seed=seed,
        width=width,
        height=height,
        others=[*networks, *fields.items(), *((name, value) for name, value in templates)],
    )


def without_networks(prompt: str) -> str:
    """The prompt without the tags that load a LoRA."""
    return NETWORK.sub("", prompt).strip(" ,\n")


def _networks(prompt: str) -> Iterator[tuple[str, str]]:
    for kind, name, weight in NETWORK.findall(prompt):
        yield KINDS[kind.lower()], f"{name} at {weight}" if weight else name


def _loras(written: str) -> Iterator[tuple[str, str]]:
    """From our own `film-grain: 0.8, ink: 1`."""
    for each in filter(None, written.split(", ")):
        name, _, weight = each.partition(": ")
        yield "LoRA", f"{name} at {weight}" if weight else name


def _typed(negative: str, fixed: str) -> str:
    """The negative prompt without what its model put before it."""
    if negative == fixed:
        return ""
    return negative.removeprefix(f"{fixed}, ") if fixed else negative


def _settings_line(lines: list[str]) -> int | None:
    """The last line that begins with the steps, else the last of all if it is made of fields."""
    found = [number for number, line in enumerate(lines) if SETTINGS.match(line)]
    if found:
        return found[-1]
    names = [name for name, _ in _fields(lines[-1])]
    return len(lines) - 1 if len(names) >= FEWEST_FIELDS and TELLING.intersection(names) else None


def _split_at_negative(lines: list[str]) -> tuple[str, str, str]:
    for number, line in enumerate(lines):
        if line.strip().startswith(NEGATIVE):
            rest = [line.strip().removeprefix(NEGATIVE), *lines[number + 1 :]]
            return "\n".join(lines[:number]).strip(), NEGATIVE, "\n".join(rest).strip()
    return "\n".join(lines).strip(), "", ""


def _fields(line: str) -> Iterator[tuple[str, str]]:
    at = 0
    for _ in range(MAX_OTHERS):
        name = NAME.match(line, at)
        if name is None:
            return
        value, at = _value(line, name.end())
        yield name.group(1).strip(), value


def _value(line: str, at: int) -> tuple[str, int]:
    """The value that begins here, and where it ends: JSON, or all up to a comma."""
    if line[at : at + 1] in ('"', "[", "{"):
        try:
            value, end = json.JSONDecoder().raw_decode(line, at)
        except (ValueError, RecursionError):
            pass
        else:
            return value if isinstance(value, str) else line[at:end], end
    end = line.find(",", at)
    end = len(line) if end < 0 else end
    return line[at:end].strip(), end
