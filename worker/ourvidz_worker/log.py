"""What the worker says on stderr: one JSON object a line for machines, one sentence-like line for a terminal.

Callers pass ids, counts and durations, never a token or a prompt.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


FRAMES = 4
LONGEST_MESSAGE = 300  # characters
SHORTEST_SECRET = 3


@lru_cache
def console() -> Console | None:
    """The terminal that stderr is; None where it is none."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(event: str, **facts: object) -> None:
    """One line about one event, written at once so that threads never mix theirs.

    A log that takes none (its disk is full, its reader is gone) stops no worker.
    """
    now = datetime.now(UTC)
    with suppress(OSError):
        if screen := console():
            screen.print(_human(now, event, facts), markup=False)  # above the bar, if there is one
            return
        sys.stderr.write(_machine(now, event, facts) + "\n")
        sys.stderr.flush()


def tell_warnings() -> None:
    """From here on what libraries warn of is a line like any other."""

    def tell(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        first_line = str(message).strip().partition("\n")[0]
        at = f"{Path(filename).name}:{lineno}"
        say("library_warning", kind=category.__name__, message=first_line[:LONGEST_MESSAGE], at=at)

    warnings.showwarning = tell


def fault(error: BaseException, *secrets: str) -> dict[str, str]:
    """What to say of an error that nobody foresaw: its kind, the first line of its message without the
    `secrets`, and where it came from, innermost first.
    """
    message = (_without(str(error), secrets).strip().splitlines() or [""])[0]
    frames = traceback.extract_tb(error.__traceback__)[: -FRAMES - 1 : -1]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return {"error": type(error).__name__, "message": message[:LONGEST_MESSAGE], "at": " < ".join(places)}


def _without(message: str, secrets: tuple[str, ...]) -> str:
    """Also as Python would show them, and line by line; what is very short is no secret."""
    lines = [line for secret in secrets for line in (secret, *secret.splitlines())]
    for line in sorted(lines, key=len, reverse=True):
        if len(line) > SHORTEST_SECRET:
            message = message.replace(line, "…").replace(repr(line)[1:-1], "…")
    return message


def _machine(now: datetime, event: str, facts: dict[str, object]) -> str:
    return json.dumps({"at": now.isoformat(timespec="milliseconds"), "event": event, **facts}, default=str)


def _human(now: datetime, event: str, facts: dict[str, object]) -> str:
    details = "  ".join(f"{name}={value}" for name, value in facts.items())
    return f"{now.astimezone():%H:%M:%S}  {event.replace('_', ' '):<18} {details}".rstrip()
