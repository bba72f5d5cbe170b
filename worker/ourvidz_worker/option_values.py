"""What the text of an option means. Each function raises ValueError with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("", "0", "false", "no", "off")
MAX_SECONDS = 3600
MAX_IDLE_SECONDS = 7 * 24 * 3600
WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
COSINE = r"(-?[01](?:\.[0-9]{1,9})?)"
THRESHOLD = re.compile(f"(image|text)={COSINE}:{COSINE}")


def seconds(text: str, most: float = MAX_SECONDS) -> float:
    try:
        value = float(text) if text.isascii() and "_" not in text else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ValueError(f"must be seconds from 0 to {most:.0f}")
    return value


def idle_seconds(text: str) -> float:
    return seconds(text, MAX_IDLE_SECONDS)


def integer_between(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (WHOLE_NUMBER.fullmatch(text) and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return convert


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return convert


def host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (WHOLE_NUMBER.fullmatch(port) and 0 < int(port) < 2**16):
        raise ValueError("must be a port, or HOST:PORT ([::1]:9100 for IPv6)")
    return host or "127.0.0.1", int(port)


def thresholds(text: str) -> dict[str, tuple[float, float]]:
    """The pair (loose, strict) of each kind that is named."""
    found = {}
    for part in text.split(","):
        match = THRESHOLD.fullmatch(part.strip())
        if match is None or match[1] in found or not -1 <= float(match[2]) < float(match[3]) <= 1:
            raise ValueError("must be like image=0.75:0.93,text=0.21:0.29, cosines, the looser first")
        found[match[1]] = (float(match[2]), float(match[3]))
    return found


def boolean(text: str) -> bool:
    if text.lower() not in TRUE_WORDS + FALSE_WORDS:
        raise ValueError("must be true or false")
    return text.lower() in TRUE_WORDS
