"""A slot's progress, with a minimum duration so that live pages can be watched and tested."""

from __future__ import annotations

import time

from ourvidz_worker.engines.base import ReportProgress, ShouldStop
from ourvidz_worker.errors import Halted

POLL_S = 0.1


class SlotProgress:
    """Reports one slot's share as progress of the whole job, from `begin` to `end`, and slows the engine down
    to `min_seconds` for the slot.
    """

    def __init__(
        self, min_seconds: float, begin: float, end: float, report: ReportProgress, should_stop: ShouldStop
    ) -> None:
        self._min_seconds = min_seconds
        self._begin = begin
        self._length = end - begin
        self._report = report
        self._should_stop = should_stop
        self._started = time.monotonic()

    def advance_to(self, share: float, stage: str) -> None:
        """Reports that `share` of this slot, 0..1, is done; waits if that is too early. Raises Halted."""
        while True:
            if self._should_stop():
                raise Halted
            elapsed_s = time.monotonic() - self._started
            remaining_s = share * self._min_seconds - elapsed_s
            if remaining_s <= 0:
                break
            self._report_share(elapsed_s / self._min_seconds, stage)
            time.sleep(min(POLL_S, remaining_s))
        self._report_share(share, stage)

    def _report_share(self, share: float, stage: str) -> None:
        self._report(self._begin + self._length * min(1.0, share), stage)
