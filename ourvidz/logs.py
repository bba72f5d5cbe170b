"""What the log must not say, and how often it says the same.

A one-time link signs in whoever reads it. A refusal costs its caller nothing, so that lines about refusals
are limited: else anybody fills the disk with them.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generation.core.client_address import address_of

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

LINK = re.compile(r"(/sign-in/once/)[^\s?]+")
WINDOW_SECONDS = 60.0
MAX_LINES = 300  # of refusals in a window, of all addresses
MAX_REPEATS = 100  # of one warning or error about one caller
WHOSE = ("actor", "worker", "user", "address")
MAX_SUBJECTS = 2_000


def without_links(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A structlog processor: a refused request is logged with its path, also that of a live link."""
    event["event"] = LINK.sub(r"\1…", str(event["event"]))
    return event


@dataclass(slots=True)
class Window:
    """What was logged of one subject since `began`, and left out."""

    began: float
    logged: int = 0
    left_out: int = 0


class RefusalLimit(logging.Filter):
    """Passes one line a minute about refused requests (4xx) of one address and status.

    The next one that passes says how many were left out. Bounded whatever number of addresses there are.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._of_all = Window(clock())
        self._of_subject: OrderedDict[tuple[str, int], Window] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        status, request = getattr(record, "status_code", 0), getattr(record, "request", None)
        if request is None or not 400 <= status < 500:
            return True
        with self._lock:
            left_out = self._count((address_of(request), status))
        if left_out:
            _note(record, left_out)
        return left_out is not None

    def _count(self, subject: tuple[str, int]) -> int | None:
        """How many lines were left out before the one that may be written now; None if it may not."""
        now = self._clock()
        if now - self._of_all.began >= WINDOW_SECONDS:
            self._of_all = Window(now)
        window = self._of_subject.setdefault(subject, Window(now))
        is_over = now - window.began >= WINDOW_SECONDS
        if (window.logged and not is_over) or self._of_all.logged >= MAX_LINES:
            window.left_out += 1
            self._forget_oldest()
            return None
        self._of_all.logged += 1
        self._of_subject[subject] = Window(now, logged=1)
        self._of_subject.move_to_end(subject)
        self._forget_oldest()
        return window.left_out

    def _forget_oldest(self) -> None:
        while len(self._of_subject) > MAX_SUBJECTS:
            self._of_subject.popitem(last=False)


class RepeatLimit(logging.Filter):
    """Passes so many lines a minute of one warning or error about one caller, tracebacks included.

    The next minute's first says how many were left out. Refused requests are left to RefusalLimit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._of_event: OrderedDict[tuple[str, ...], Window] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or 400 <= getattr(record, "status_code", 0) < 500:
            return True
        event, now = _event_of(record), self._clock()
        with self._lock:
            window = self._of_event.get(event)
            left_out = 0
            if window is None or now - window.began >= WINDOW_SECONDS:
                left_out = window.left_out if window else 0
                self._of_event[event] = window = Window(now)
                self._of_event.move_to_end(event)
                if len(self._of_event) > MAX_SUBJECTS:
                    self._of_event.popitem(last=False)
            is_over = window.logged >= MAX_REPEATS
            window.logged += not is_over
            window.left_out += is_over
        if left_out:
            _note(record, left_out)
        return not is_over


def _event_of(record: logging.LogRecord) -> tuple[str, ...]:
    """What the line says, without what differs each time, and of whom."""
    if isinstance(record.msg, dict):
        whose = next((str(record.msg[name]) for name in WHOSE if name in record.msg), "")
        return record.name, str(record.msg.get("event")), whose
    return record.name, str(record.msg)[:60]


def _note(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = record.msg | {"left_out": left_out}
        return
    record.msg = f"{record.getMessage()} (and {left_out} more like it, left out here)"
    record.args = ()
