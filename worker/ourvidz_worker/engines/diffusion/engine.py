"""What the engines on diffusers have in common: slots in batches, want of memory, cancels."""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ourvidz_worker import log
from ourvidz_worker.engines.base import (
    NULL_PREVIEWS,
    FinishedSlot,
    Previews,
    ReportProgress,
    Result,
    ShouldStop,
)
from ourvidz_worker.engines.diffusion.attention import check_attention
from ourvidz_worker.engines.diffusion.enhancer import Enhancer, fitted, token_count
from ourvidz_worker.engines.diffusion.job_stats import JobStats
from ourvidz_worker.engines.diffusion.latent_preview import BatchPreviews, LatentPreviewer
from ourvidz_worker.engines.diffusion.pipeline_run import Placer, Steps
from ourvidz_worker.engines.diffusion.placement import (
    Placement,
    forget_peak,
    give_back_memory,
    is_out_of_memory,
    libraries,
    peak_mib,
)
from ourvidz_worker.engines.diffusion.weights import public_name
from ourvidz_worker.engines.references import UnreadableReference, unreadable_error
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable, Halted
from ourvidz_worker.protocol import AssetError, Job, Slot

ENCODING_SHARE = 0.03  # of a slot's time, roughly; the steps are the rest


class DiffusionEngine(ABC):
    """Subclasses load their pipelines and make a batch of slots; `prompt` is what the pipeline is given."""

    name: str
    serves: tuple[str, ...]
    placement: Placement
    placer: Placer

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.enhancer: Enhancer | None = None
        self.latent_previewer: LatentPreviewer | None = None
        self.device = settings.device
        self._stats: JobStats | None = None  # of the last job that came here

    def model_for(self, job: Job) -> str:
        """The name of the weights that this job is made by."""
        return public_name(self.settings.model)

    def latent_previewer_for(self, job: Job) -> LatentPreviewer | None:
        return self.latent_previewer

    @property
    @abstractmethod
    def pools(self) -> tuple[str, ...]: ...

    def load(self) -> None:
        try:
            self.load_weights()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            message = f"the weights do not fit into the memory of {self.device}: --offload model needs less"
            raise EngineUnusable(message) from error

    @abstractmethod
    def load_weights(self) -> None: ...

    @abstractmethod
    def make(self, job: Job, slots: Sequence[Slot], prompt: str, steps: Steps) -> list[Any]:
        """The arrays of pixels, one for each slot. May run out of memory."""

    @abstractmethod
    def encoded(self, job: Job, slot: Slot, prompt: str, pixels: Any) -> Result:
        """The file of a slot."""

    @property
    def text_limits(self) -> tuple[tuple[Any, int], ...]:
        """The tokenizer of each text encoder that reads so many tokens and no more."""
        return ()

    def fit_prompt(self, prompt: str) -> str:
        """As much of it as every text encoder reads."""
        for tokenizer, limit in self.text_limits:
            prompt = fitted(prompt, partial(token_count, tokenizer), limit)
        return prompt

    def place(self, placement: Placement) -> None:
        check_attention(self.settings, placement)
        self.placement = placement
        self.device = placement.describe()
        self.placer = Placer(self.settings, placement.device)

    def load_enhancer(self) -> None:
        if self.settings.enhancer:
            self.enhancer = Enhancer(self.settings, self.placement)

    def unload(self) -> None:
        self.enhancer = self.latent_previewer = self._stats = None
        self.placer.leave()
        gc.collect()  # diffusers ties a transformer that has run to itself
        give_back_memory(self.placement.device)

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        told: dict[str, object] = {"device": self.device, "libraries": libraries()}
        if self._stats is None or not self._stats.belongs_to(job):  # it never came here
            return told
        return told | {"memory_peak_mib": peak_mib(self.placement.device)} | self._stats.metadata()

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        self._stats = stats = JobStats.for_job(job)
        report_progress = self._watched(report_progress, stats)
        self.placer.begin()
        forget_peak(self.placement.device)
        if should_stop():
            raise Halted
        report_progress(0.0, "generating")
        if job.parameters.enhance and not self._enhance(job, stats, report_progress, should_stop):
            yield from (FinishedSlot(slot, self._too_little_memory()) for slot in job.slots)
            return
        self._note_cut(stats)
        waiting, size = list(job.slots), self.settings.batch
        while waiting:
            begin = 1 - len(waiting) / len(job.slots)
            end = begin + min(size, len(waiting)) / len(job.slots)
            batch_previews = BatchPreviews(
                previews, self.latent_previewer_for(job), [slot.number for slot in waiting[:size]]
            )
            until = end - ENCODING_SHARE * (end - begin)
            steps = Steps(begin, until, report_progress, should_stop, batch_previews)
            made = self._attempt(job, waiting[:size], stats, steps)
            if made is None:  # for want of memory: the same again, in smaller pieces
                size = self._smaller(job, stats, len(waiting[:size]))
                continue
            report_progress(until, "encoding")
            for slot, pixels in zip(waiting[:size], made, strict=True):
                yield FinishedSlot(slot, self._finished(job, slot, stats, pixels))
            waiting = waiting[size:]

    def _watched(self, report_progress: ReportProgress, stats: JobStats) -> ReportProgress:
        """The same, and it tells when another pipeline's weights must be moved first."""
        reached = 0.0

        def watched(share: float, stage: str) -> None:
            nonlocal reached
            reached = share
            report_progress(share, stage)

        @contextmanager
        def loading() -> Iterator[None]:
            report_progress(reached, "loading")
            with stats.timed("loading"):
                yield

        self.placer.loading = loading
        return watched

    def _enhance(
        self, job: Job, stats: JobStats, report_progress: ReportProgress, should_stop: ShouldStop
    ) -> bool:
        """False when there is too little memory."""
        if self.enhancer is None:
            raise RuntimeError("this job needs an enhancer, and the worker did not offer one")
        report_progress(0.0, "enhancing")
        media = job.parameters.media
        try:
            with stats.timed("enhancing"):
                said = self.enhancer.enhance(job.prompt, media=media, should_stop=should_stop)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            give_back_memory(self.placement.device)
            return False
        stats.prompt, stats.enhancer = self.fit_prompt(said), public_name(self.settings.enhancer)
        return True

    def _note_cut(self, stats: JobStats) -> None:
        """Says so where a person's own prompt is longer than a text encoder reads."""
        for tokenizer, limit in self.text_limits:
            tokens = token_count(tokenizer, stats.prompt)
            if tokens > limit:
                note = f"the prompt has {tokens} tokens; the model reads the first {limit}"
                log.event("prompt_cut", job_id=stats.job_id, note=note)
                stats.notes.append(note)

    def _attempt(self, job: Job, slots: Sequence[Slot], stats: JobStats, steps: Steps) -> list[Any] | None:
        """The pixels, or an error for each slot; None when it ran out of memory and can do with less."""
        stats.batch = len(slots)
        try:
            with stats.timed("generating"):
                return self.make(job, slots, stats.prompt, steps)
        except UnreadableReference as error:
            return [unreadable_error(error) for _ in slots]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        give_back_memory(self.placement.device)
        if len(slots) > 1 or self.placer.can_save:
            return None
        return [self._too_little_memory() for _ in slots]

    def _too_little_memory(self) -> AssetError:
        message = f"Out of memory on {self.device}; --offload model needs less."
        return AssetError("out_of_memory", message, retryable=True)

    def _smaller(self, job: Job, stats: JobStats, size: int) -> int:
        """The next batch size; at one, what trades time for memory is switched on for this job instead."""
        if size > 1:
            note = f"out of memory with {size} at once; went on with {size // 2}"
        else:
            note = "out of memory; went on with a tiled VAE"
            self.placer.save_memory()
        log.event("out_of_memory", job_id=job.id, note=note)
        stats.notes.append(note)
        return max(1, size // 2)

    def _finished(self, job: Job, slot: Slot, stats: JobStats, pixels: Any) -> Result | AssetError:
        if isinstance(pixels, AssetError):
            return pixels
        with stats.timed("encoding"):
            return self.encoded(job, slot, stats.prompt, pixels)

    def facts(self, job: Job, slot: Slot, more: Mapping[str, object]) -> dict[str, object]:
        """A result's metadata: enough to make it again."""
        parameters = job.parameters
        told: dict[str, object] = {
            "seed": slot.seed,
            "steps": parameters.steps,
            "guidance": parameters.guidance,
            "model": self.model_for(job),
            "precision": self.placement.precision_name,
            "attention": self.settings.attention,
            "vae_tiling": self.placer.tiles,
            "device": self.device,
            "batch": self._stats.batch if self._stats else 1,
            "libraries": libraries(),
        }
        if job.references:
            told["references"] = {each.type: each.strength for each in job.references}
        return told | dict(more)
