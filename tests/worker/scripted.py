"""An engine that does with a job what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from ourvidz_worker.engines.base import (
    NULL_PREVIEWS,
    FinishedSlot,
    Previews,
    ReportProgress,
    Result,
    ShouldStop,
)
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.protocol import Job, Slot

Script: TypeAlias = Callable[[Job, ReportProgress], Iterator[FinishedSlot] | None]


def finished(slot: Slot) -> FinishedSlot:
    """With a file that no decoder would take."""
    return FinishedSlot(slot, Result(b"x", "image/png", 1, 1, None, {}))


class ScriptedEngine(SketchEngine):
    """Does `script` with each job, and draws it after all where that yields no slots.

    `jobs`: those it was given. `loads`: how often it was loaded.
    """

    def __init__(self, script: Script = lambda job, report_progress: None) -> None:
        super().__init__()
        self._script = script
        self.jobs: list[Job] = []
        self.loads = 0

    def load(self) -> None:
        self.loads += 1

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        self.jobs.append(job)
        made = self._script(job, report_progress)
        return super().generate(job, report_progress, should_stop, previews) if made is None else made
