"""The sketch engine: real pictures and films from nothing but a processor."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping

from ourvidz_worker.engines.base import FinishedSlot, ReportProgress, Result, ShouldStop
from ourvidz_worker.engines.pools import (
    ENHANCED_IMAGES,
    ENHANCED_VIDEOS,
    SDXL_IMAGES,
    WAN_IMAGES,
    WAN_VIDEOS,
)
from ourvidz_worker.engines.sketch.pace import Pace
from ourvidz_worker.protocol import AssetError, Job, Parameters, Slot

SIZES = range(64, 2049)
LONGEST_FILM = 1000  # frames


class SketchEngine:
    """Serves both queues. The heavy libraries are imported with the first job."""

    name = "sketch"
    serves = ("sdxl", "wan")
    pools = (*SDXL_IMAGES, *WAN_IMAGES, *WAN_VIDEOS, *ENHANCED_IMAGES, *ENHANCED_VIDEOS)

    def __init__(self, *, pace: float = 0.0) -> None:
        self.device = f"CPU ({platform.machine()})"
        self._pace = pace

    def load(self) -> None:
        """Nothing to load before a job says what it needs."""

    def unload(self) -> None:
        """Nothing is kept between jobs."""

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        return {"enhanced_prompt": _drawn_prompt(job)} if job.parameters.enhance else {}

    def generate(
        self, job: Job, report_progress: ReportProgress, should_stop: ShouldStop
    ) -> Iterator[FinishedSlot]:
        problem = _problem(job.parameters)
        prompt = _drawn_prompt(job)
        count = len(job.slots)
        for number, slot in enumerate(job.slots):
            pace = Pace(self._pace, number / count, (number + 1) / count, report_progress, should_stop)
            yield FinishedSlot(slot, problem or _drawn(prompt, slot, job.parameters, pace))


def _drawn_prompt(job: Job) -> str:
    from ourvidz_worker.engines.sketch.enhance import enhanced_prompt

    return enhanced_prompt(job.prompt) if job.parameters.enhance else job.prompt


def _problem(wanted: Parameters) -> AssetError | None:
    if wanted.width not in SIZES or wanted.height not in SIZES:
        message = f"The sketch engine draws {SIZES.start} to {SIZES.stop - 1} px a side."
        return AssetError("unsupported_size", message, retryable=False)
    if wanted.media == "video" and not (0 < wanted.frames <= LONGEST_FILM and 0 < wanted.fps <= 120):
        return AssetError("unsupported_length", "The sketch engine makes 1 to 1000 frames.", retryable=False)
    return None


def _drawn(prompt: str, slot: Slot, wanted: Parameters, pace: Pace) -> Result:
    return (
        _film(prompt, slot, wanted, pace) if wanted.media == "video" else _still(prompt, slot, wanted, pace)
    )


def _still(prompt: str, slot: Slot, wanted: Parameters, pace: Pace) -> Result:
    from ourvidz_worker.engines.encode import png
    from ourvidz_worker.engines.sketch.picture import Picture

    picture = Picture(prompt, slot.seed, wanted.width, wanted.height)
    pixels = picture.still(lambda share: pace.reach(0.9 * share, "sketching"))
    pace.reach(0.9, "encoding")
    media = png(pixels)
    pace.reach(1.0, "encoding")
    return Result(media, "image/png", wanted.width, wanted.height, None, {"scene": picture.scene.name})


def _film(prompt: str, slot: Slot, wanted: Parameters, pace: Pace) -> Result:
    from ourvidz_worker.engines.encode import mp4
    from ourvidz_worker.engines.sketch.picture import Picture

    width, height = wanted.width - wanted.width % 2, wanted.height - wanted.height % 2
    picture = Picture(prompt, slot.seed, width, height)
    frames = picture.film(wanted.frames, wanted.fps, lambda share: pace.reach(0.97 * share, "sketching"))
    media = mp4(frames, width=width, height=height, fps=wanted.fps)
    pace.reach(1.0, "encoding")
    return Result(
        media, "video/mp4", width, height, wanted.frames / wanted.fps, {"scene": picture.scene.name}
    )
