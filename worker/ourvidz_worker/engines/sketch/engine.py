"""The sketch engine: draws images and videos on the CPU."""

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
from ourvidz_worker.engines.infotext import chosen_fields, parameters_text
from ourvidz_worker.engines.models import ModelSettings
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
from ourvidz_worker.engines.sketch.slot_progress import SlotProgress
from ourvidz_worker.protocol import AssetError, Job, Parameters, Slot

SIZES = range(64, 2049)
MAX_FRAMES = 1000
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

    def __init__(self, *, pace: float = 0.0, model: ModelSettings | None = None) -> None:
        self.model = model or ModelSettings(is_default=True)
        self.device = f"CPU ({platform.machine()})"
        self._min_seconds = pace

    def load(self) -> None:
        """Does nothing: there are no weights."""

    def unload(self) -> None:
        """Does nothing: no state is kept between jobs."""

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        return {"enhanced_prompt": _effective_prompt(job)} if job.parameters.enhance else {}

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        error = _unsupported_error(job.parameters)
        count = len(job.slots)
        for number, slot in enumerate(job.slots):
            progress = SlotProgress(
                self._min_seconds, number / count, (number + 1) / count, report_progress, should_stop
            )
            drawing = _SlotDrawing(job, slot, self.model, progress, previews)
            yield FinishedSlot(slot, error or drawing.result())


def _effective_prompt(job: Job) -> str:
    from ourvidz_worker.engines.sketch.enhance import enhanced_prompt

    return enhanced_prompt(job.prompt) if job.parameters.enhance else job.prompt


def _unsupported_error(parameters: Parameters) -> AssetError | None:
    if parameters.width not in SIZES or parameters.height not in SIZES:
        message = f"The sketch engine draws {SIZES.start} to {SIZES.stop - 1} px a side."
        return AssetError("unsupported_size", message, retryable=False)
    if parameters.media == "video" and not (
        0 < parameters.frames <= MAX_FRAMES and 0 < parameters.fps <= 120
    ):
        return AssetError("unsupported_length", "The sketch engine makes 1 to 1000 frames.", retryable=False)
    return None


@dataclass(frozen=True, slots=True)
class _SlotDrawing:
    """One slot, from its references to its file."""

    job: Job
    slot: Slot
    model: ModelSettings
    progress: SlotProgress
    previews: Previews

    def result(self) -> Result | AssetError:
        try:
            return self._video() if self.job.parameters.media == "video" else self._image()
        except UnreadableReference as error:
            return unreadable_error(error)

    def _image(self) -> Result:
        from ourvidz_worker.engines.png import png
        from ourvidz_worker.engines.sketch.looks import look_of
        from ourvidz_worker.engines.sketch.picture import Picture
        from ourvidz_worker.engines.sketch.reference_images import ReferenceImages

        width, height = self.job.parameters.width, self.job.parameters.height
        references = ReferenceImages(self.job, width, height)
        picture = Picture(_effective_prompt(self.job), self.slot.seed, width, height)
        pixels = picture.still(
            lambda share: self.progress.advance_to(0.9 * share, "sketching"),
            self._show_preview,
            references.apply,
        )
        pixels = look_of(self.job, self.model, self.slot.seed).apply(pixels)
        self.progress.advance_to(0.9, "encoding")
        media = png(pixels, parameters=self._parameters(width, height))
        self.progress.advance_to(1.0, "encoding")
        return Result(media, "image/png", width, height, None, {"scene": picture.scene.name})

    def _video(self) -> Result:
        from ourvidz_worker.engines.mp4 import mp4
        from ourvidz_worker.engines.sketch.looks import look_of
        from ourvidz_worker.engines.sketch.picture import Picture
        from ourvidz_worker.engines.sketch.reference_images import ReferenceImages

        parameters = self.job.parameters
        width, height = parameters.width - parameters.width % 2, parameters.height - parameters.height % 2
        references = ReferenceImages(self.job, width, height)
        picture = Picture(_effective_prompt(self.job), self.slot.seed, width, height)
        scene = picture.film(
            parameters.frames,
            parameters.fps,
            lambda share: self.progress.advance_to(0.97 * share, "sketching"),
        )
        look = look_of(self.job, self.model, self.slot.seed)
        blended = references.blend_frames(scene, parameters.frames)
        frames = self._with_previews(map(look.apply, blended))
        comment = self._parameters(width, height)
        media = mp4(frames, width=width, height=height, fps=parameters.fps, comment=comment)
        self.progress.advance_to(1.0, "encoding")
        metadata = {"scene": picture.scene.name}
        return Result(media, "video/mp4", width, height, parameters.frames / parameters.fps, metadata)

    def _parameters(self, width: int, height: int) -> str:
        """What the file says of itself; of the parameters only those that the engine goes by."""
        fields = {
            "Seed": self.slot.seed,
            "Size": f"{width}x{height}",
            "Model": self.model.name or SketchEngine.name,
            **chosen_fields(self.job, self.model),
        }
        strengths = {
            f"{each.type.replace('_', ' ').capitalize()} strength": each.strength
            for each in self.job.references
        }
        return parameters_text(
            prompt=_effective_prompt(self.job),
            negative_prompt=self.job.negative_prompt,
            fields=fields | strengths,
        )

    def _show_preview(self, develop: Callable[[], Pixels]) -> None:
        if self.previews.is_due():
            self.previews.show(self.slot.number, develop())

    def _with_previews(self, frames: Iterator[Pixels]) -> Iterator[Pixels]:
        for pixels in frames:
            if self.previews.is_due():
                self.previews.show(self.slot.number, pixels)
            yield pixels
