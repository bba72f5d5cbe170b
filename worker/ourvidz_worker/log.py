"""The log on stderr: an event per line, as a JSON object, or as text where stderr is a terminal.

Callers pass ids, counts and durations, never a token or a prompt.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


MAX_FRAMES = 4
MAX_MESSAGE_LENGTH = 300  # characters
MAX_UNREDACTED_LENGTH = 3  # characters: a shorter line would match everywhere and is no secret


@lru_cache
def console() -> Console | None:
    """The console of stderr; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def event(name: str, /, **facts: object) -> None:
    """Writes one line, in one call, so that the lines of threads never mix.

    A write that fails (a full disk, a closed pipe) does not stop the worker.
    """
    now = datetime.now(UTC)
    with suppress(OSError):
        if screen := console():
            screen.print(
                _text_line(now, name, facts), markup=False
            )  # above the progress bar, if there is one
            return
        sys.stderr.write(_json_line(now, name, facts) + "\n")
        sys.stderr.flush()


def capture_warnings() -> None:
    """From now on, warnings of libraries are logged like any other event."""

    def log_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        first_line = str(message).strip().partition("\n")[0]
        where = f"{Path(filename).name}:{lineno}"
        event("library_warning", kind=category.__name__, message=first_line[:MAX_MESSAGE_LENGTH], where=where)

    warnings.showwarning = log_warning


def describe_error(error: BaseException, *secrets: str) -> dict[str, str]:
    """The facts to log about an unexpected error: its class, the first line of its message with the `secrets`
    redacted, and the last frames of its traceback, innermost first.
    """
    message = (redact(str(error), secrets).strip().splitlines() or [""])[0]
    frames = traceback.extract_tb(error.__traceback__)[: -MAX_FRAMES - 1 : -1]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return {
        "error": type(error).__name__,
        "message": message[:MAX_MESSAGE_LENGTH],
        "where": " < ".join(places),
    }


def redact(message: str, secrets: Sequence[str]) -> str:
    """Replaces each line of each secret, also in the form that repr() gives it."""
    lines = [line for secret in secrets for line in (secret, *secret.splitlines())]
    for line in sorted(lines, key=len, reverse=True):
        if len(line) > MAX_UNREDACTED_LENGTH:
            message = message.replace(line, "…").replace(repr(line)[1:-1], "…")
    return message


def _json_line(now: datetime, name: str, facts: dict[str, object]) -> str:
    stamp = {"at": now.isoformat(timespec="milliseconds"), "event": name}
    return json.dumps(stamp | facts | stamp, default=str)  # a fact of the same name replaces neither


def _text_line(now: datetime, name: str, facts: dict[str, object]) -> str:
    details = "  ".join(f"{key}={value}" for key, value in facts.items())
    return f"{now.astimezone():%H:%M:%S}  {name.replace('_', ' '):<18} {details}".rstrip()
