"""The sketch engine: real pictures and films from nothing but a processor."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ourvidz_worker.engines.base import (
    NULL_PREVIEWS,
    FinishedSlot,
    Pixels,
    Previews,
    ReportProgress,
    Result,
    ShouldStop,
)
from ourvidz_worker.engines.pools import (
    ENHANCED_IMAGES,
    ENHANCED_VIDEOS,
    SDXL_IMAGES,
    WAN_IMAGES,
    WAN_VIDEOS,
    with_any_of,
    with_references,
)
from ourvidz_worker.engines.references import UnreadableReference, unreadable_error
from ourvidz_worker.engines.sketch.slot_progress import Pace
from ourvidz_worker.protocol import AssetError, Job, Parameters, Slot

SIZES = range(64, 2049)
LONGEST_FILM = 1000  # frames
VIDEOS = (*WAN_VIDEOS, *ENHANCED_VIDEOS)


class SketchEngine:
    """Serves both queues. The heavy libraries are imported with the first job."""

    name = "sketch"
    serves = ("sdxl", "wan")
    pools = (
        *with_any_of(SDXL_IMAGES, ("composition", "style")),
        *WAN_IMAGES,
        *ENHANCED_IMAGES,
        *VIDEOS,
        *with_references(VIDEOS, "start_frame"),
        *with_references(VIDEOS, "start_frame", "end_frame"),
    )

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
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        problem = _problem(job.parameters)
        count = len(job.slots)
        for number, slot in enumerate(job.slots):
            pace = Pace(self._pace, number / count, (number + 1) / count, report_progress, should_stop)
            yield FinishedSlot(slot, problem or _Drawing(job, slot, pace, previews).result())


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


@dataclass(frozen=True, slots=True)
class _Drawing:
    """One slot, from its references to its file."""

    job: Job
    slot: Slot
    pace: Pace
    previews: Previews

    def result(self) -> Result | AssetError:
        try:
            return self._film() if self.job.parameters.media == "video" else self._still()
        except UnreadableReference as error:
            return unreadable_error(error)

    def _still(self) -> Result:
        from ourvidz_worker.engines.png import png
        from ourvidz_worker.engines.sketch.picture import Picture
        from ourvidz_worker.engines.sketch.reference_images import Examples

        width, height = self.job.parameters.width, self.job.parameters.height
        examples = Examples(self.job, width, height)
        picture = Picture(_drawn_prompt(self.job), self.slot.seed, width, height)
        pixels = picture.still(
            lambda share: self.pace.reach(0.9 * share, "sketching"), self._look, examples.touch
        )
        self.pace.reach(0.9, "encoding")
        media = png(pixels)
        self.pace.reach(1.0, "encoding")
        return Result(media, "image/png", width, height, None, {"scene": picture.scene.name})

    def _film(self) -> Result:
        from ourvidz_worker.engines.mp4 import mp4
        from ourvidz_worker.engines.sketch.picture import Picture
        from ourvidz_worker.engines.sketch.reference_images import Examples

        wanted = self.job.parameters
        width, height = wanted.width - wanted.width % 2, wanted.height - wanted.height % 2
        examples = Examples(self.job, width, height)
        picture = Picture(_drawn_prompt(self.job), self.slot.seed, width, height)
        scene = picture.film(
            wanted.frames, wanted.fps, lambda share: self.pace.reach(0.97 * share, "sketching")
        )
        frames = self._seen(examples.frame(scene, wanted.frames))
        media = mp4(frames, width=width, height=height, fps=wanted.fps)
        self.pace.reach(1.0, "encoding")
        told = {"scene": picture.scene.name}
        return Result(media, "video/mp4", width, height, wanted.frames / wanted.fps, told)

    def _look(self, developed: Callable[[], Pixels]) -> None:
        if self.previews.is_due():
            self.previews.show(self.slot.number, developed())

    def _seen(self, frames: Iterator[Pixels]) -> Iterator[Pixels]:
        for pixels in frames:
            if self.previews.is_due():
                self.previews.show(self.slot.number, pixels)
            yield pixels
