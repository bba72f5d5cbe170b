"""Says every two seconds how far a long step is."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_S = 2.0


class Progress:
    """Rows done of a known number, with their rate and the time that is left."""

    def __init__(self, say: Callable[[str], object], what: str, total: int, done: int = 0) -> None:
        self.say, self.what, self.total = say, what, total
        self.before = self.done = done
        self.began = self.said = time.monotonic()

    def advance(self, rows: int) -> None:
        self.done += rows
        now = time.monotonic()
        if now - self.said >= PAUSE_S:
            self.said = now
            self._say_how_far(now - self.began)

    def end(self) -> None:
        seconds = max(time.monotonic() - self.began, 0.001)
        rate = (self.done - self.before) / seconds
        self.say(f"  100 %  {self.done:,} rows {self.what} in {seconds:,.0f} s, {rate:,.0f} rows/s")

    def _say_how_far(self, seconds: float) -> None:
        rate = max((self.done - self.before) / seconds, 0.001)
        left = max(0, self.total - self.done) / rate
        percent = min(99, 100 * self.done // max(self.total, 1))
        self.say(
            f"  {percent:3} %  {self.done:,} of {self.total:,} rows {self.what},"
            f" {rate:,.0f} rows/s, about {left:,.0f} s left"
        )
