"""Text by grapheme clusters: what people see as one character, however many code points it takes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import regex

CLUSTER = regex.compile(r"\X")
ELLIPSIS = "…"


def clusters(text: str) -> list[str]:
    return [found.group() for found in CLUSTER.finditer(text)]


def cut(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """As many whole clusters from the start as have at most that size together, in code points by default."""
    if size(text) <= most:
        return text
    end = 0
    for found in CLUSTER.finditer(text):
        most -= size(found.group())
        if most < 0:
            break
        end = found.end()
    return text[:end]


def shorten(text: str, count: int) -> str:
    """At most `count` clusters; where some are left out, the last one is an ellipsis."""
    if len(text) <= count:
        return text
    if text.isascii():  # the usual case, some hundred times on a page
        return text[: count - 1].rstrip() + ELLIPSIS
    ends = [found.end() for found in islice(CLUSTER.finditer(text), count + 1)]
    return text if len(ends) <= count else text[: ends[count - 2]].rstrip() + ELLIPSIS
