"""What a benchmark prints: a table for people, one JSON line for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be, the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    say(f"\n{title}")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        say("  ".join(cells).rstrip())


def json_line(figures: Mapping[str, object]) -> None:
    say(json.dumps(figures))
