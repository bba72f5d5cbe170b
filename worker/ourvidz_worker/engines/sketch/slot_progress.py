"""Slows an engine down on purpose, so that live pages can be watched and tested."""

from __future__ import annotations

import time

from ourvidz_worker.engines.base import ReportProgress, ShouldStop
from ourvidz_worker.errors import Halted

NAP_S = 0.1


class Pace:
    """Walks one slot from `begin` to `end` of the whole job's progress, in `seconds` at least."""

    def __init__(
        self, seconds: float, begin: float, end: float, report: ReportProgress, should_stop: ShouldStop
    ) -> None:
        self._seconds = seconds
        self._begin = begin
        self._length = end - begin
        self._report = report
        self._should_stop = should_stop
        self._started = time.monotonic()

    def reach(self, share: float, stage: str) -> None:
        """`share` of this slot is done, 0..1. Raises Halted when nobody wants the rest."""
        while True:
            if self._should_stop():
                raise Halted
            elapsed = time.monotonic() - self._started
            missing = share * self._seconds - elapsed
            if missing <= 0:
                break
            self._tell(elapsed / self._seconds, stage)
            time.sleep(min(NAP_S, missing))
        self._tell(share, stage)

    def _tell(self, share: float, stage: str) -> None:
        self._report(self._begin + self._length * min(1.0, share), stage)
