"""The base class of the engines on diffusers: batches of slots, out of memory, cancels."""

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
from ourvidz_worker.engines.diffusion.enhancer import Enhancer, count_tokens, truncate_to_tokens
from ourvidz_worker.engines.diffusion.job_stats import JobStats
from ourvidz_worker.engines.diffusion.latent_preview import BatchPreviews, LatentPreviewer
from ourvidz_worker.engines.diffusion.pipeline_run import PipelinePlacer, StepCallback
from ourvidz_worker.engines.diffusion.pixels import to_uint8
from ourvidz_worker.engines.diffusion.placement import (
    Placement,
    empty_cache,
    is_out_of_memory,
    library_versions,
    memory_advice,
    peak_memory_mib,
    reset_peak_memory,
)
from ourvidz_worker.engines.diffusion.weights import public_name
from ourvidz_worker.engines.models import ModelSettings, default_model
from ourvidz_worker.engines.pools import pool_of
from ourvidz_worker.engines.references import UnreadableReference, unreadable_error
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable, Halted
from ourvidz_worker.protocol import AssetError, Job, Slot

ENCODING_SHARE = 0.03  # of a slot's time, roughly; the steps are the rest


class DiffusionEngine(ABC):
    """Subclasses load their pipelines, denoise a batch of slots from `prompt`, which may be enhanced, and
    decode one slot after the other."""

    name: str
    serves: tuple[str, ...]
    placement: Placement
    placer: PipelinePlacer

    def __init__(self, settings: EngineSettings, model: ModelSettings | None = None) -> None:
        """`settings` are those for `model`."""
        self.settings = settings
        self.model = model or default_model(settings)
        self.enhancer: Enhancer | None = None
        self.latent_previewer: LatentPreviewer | None = None
        self.device = settings.device
        self._stats: JobStats | None = None  # of the last job
        # By pool, the smallest number of values for which the VAE ran out of memory: from there on it tiles.
        self._tiled_from: dict[str, int] = {}

    def model_name(self, job: Job) -> str:
        """The name of the model that generates this job, else of its weights."""
        return self.model.name or public_name(self.settings.model)

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
            problem = f"the weights do not fit into the memory of {self.device}"
            raise EngineUnusable(self._with_advice(problem)) from error

    @abstractmethod
    def load_weights(self) -> None: ...

    @abstractmethod
    def denoise(self, job: Job, slots: Sequence[Slot], prompt: str, steps: StepCallback) -> Any:
        """Returns the latents of the slots, stacked. May run out of memory."""

    @abstractmethod
    def decode(self, job: Job, latents: Any) -> Any:
        """Returns the pixels of one slot, values 0..1, from its latents. May run out of memory."""

    @abstractmethod
    def encode(self, job: Job, slot: Slot, prompt: str, pixels: Any) -> Result:
        """Encodes a slot's pixels to a file."""

    @property
    def text_limits(self) -> tuple[tuple[Any, int], ...]:
        """The tokenizer and the maximum number of tokens of each text encoder that has one."""
        return ()

    def truncate_prompt(self, prompt: str) -> str:
        """Truncates a prompt to what every text encoder reads."""
        for tokenizer, limit in self.text_limits:
            prompt = truncate_to_tokens(prompt, partial(count_tokens, tokenizer), limit)
        return prompt

    def set_placement(self, placement: Placement) -> None:
        check_attention(self.settings, placement)
        self.placement = placement
        self.device = placement.describe()
        self.placer = PipelinePlacer(self.settings, placement.device)

    def load_enhancer(self) -> None:
        if self.settings.enhancer:
            self.enhancer = Enhancer(self.settings, self.placement)

    def unload(self) -> None:
        self.enhancer = self.latent_previewer = self._stats = None
        self._tiled_from.clear()
        self.placer.release()
        gc.collect()  # diffusers leaves a reference cycle on a transformer that has run
        empty_cache(self.placement.device)

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        metadata: dict[str, object] = {"device": self.device, "libraries": library_versions()}
        if self._stats is None or not self._stats.belongs_to(job):  # the engine never had it
            return metadata
        return metadata | {"memory_peak_mib": peak_memory_mib(self.placement.device)} | self._stats.metadata()

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        self._stats = stats = JobStats.for_job(job)
        report_progress = self._with_loading_stage(report_progress, stats)
        self.placer.reset(tiling=self._is_known_to_need_tiles(job))
        reset_peak_memory(self.placement.device)
        if should_stop():
            raise Halted
        report_progress(0.0, "generating")
        if job.parameters.enhance and not self._enhance(job, stats, report_progress, should_stop):
            yield from (FinishedSlot(slot, self._out_of_memory()) for slot in job.slots)
            return
        self._note_truncation(stats)
        remaining, size = list(job.slots), self.settings.batch
        while remaining:
            begin = 1 - len(remaining) / len(job.slots)
            end = begin + min(size, len(remaining)) / len(job.slots)
            batch_previews = BatchPreviews(
                previews, self.latent_previewer_for(job), [slot.number for slot in remaining[:size]]
            )
            encoding_from = end - ENCODING_SHARE * (end - begin)
            steps = StepCallback(begin, encoding_from, report_progress, should_stop, batch_previews)
            latents_by_slot = self._try_batch(job, remaining[:size], stats, steps)
            if latents_by_slot is None:  # out of memory: tries the same slots in a smaller batch
                size = self._reduce_memory(job, stats, len(remaining[:size]))
                continue
            for slot, latents in zip(remaining[:size], latents_by_slot, strict=True):
                if should_stop():
                    raise Halted
                report_progress(encoding_from, "decoding")
                pixels = self._decode_slot(job, stats, latents)
                report_progress(encoding_from, "encoding")
                yield FinishedSlot(slot, self._encode_slot(job, slot, stats, pixels))
            remaining = remaining[size:]

    def _with_loading_stage(self, report_progress: ReportProgress, stats: JobStats) -> ReportProgress:
        """Also reports the stage "loading" while another pipeline's weights are moved."""
        last_share = 0.0

        def report(share: float, stage: str) -> None:
            nonlocal last_share
            last_share = share
            report_progress(share, stage)

        @contextmanager
        def loading() -> Iterator[None]:
            report_progress(last_share, "loading")
            with stats.timed("loading"):
                yield

        self.placer.loading = loading
        return report

    def _enhance(
        self, job: Job, stats: JobStats, report_progress: ReportProgress, should_stop: ShouldStop
    ) -> bool:
        """Enhances the job's prompt; False when out of memory."""
        if self.enhancer is None:
            raise RuntimeError("this job needs an enhancer, and the worker did not offer one")
        report_progress(0.0, "enhancing")
        media = job.parameters.media
        try:
            with stats.timed("enhancing"):
                enhanced = self.enhancer.enhance(job.prompt, media=media, should_stop=should_stop)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            empty_cache(self.placement.device)
            return False
        stats.prompt, stats.enhancer = self.truncate_prompt(enhanced), public_name(self.settings.enhancer)
        return True

    def _note_truncation(self, stats: JobStats) -> None:
        """Adds a note if the prompt is longer than a text encoder reads."""
        for tokenizer, limit in self.text_limits:
            tokens = count_tokens(tokenizer, stats.prompt)
            if tokens > limit:
                note = f"the prompt has {tokens} tokens; the model reads the first {limit}"
                log.event("prompt_cut", job_id=stats.job_id, note=note)
                stats.notes.append(note)

    def _try_batch(
        self, job: Job, slots: Sequence[Slot], stats: JobStats, steps: StepCallback
    ) -> list[Any] | None:
        """Latents or an error for each slot; None if it ran out of memory and can retry with less."""
        stats.batch = len(slots)
        try:
            with stats.timed("generating"):
                return list(self.denoise(job, slots, stats.prompt, steps).split(1))
        except UnreadableReference as error:
            return [unreadable_error(error) for _ in slots]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        empty_cache(self.placement.device)
        if len(slots) > 1 or self.placer.can_save_memory:
            return None
        return [self._out_of_memory() for _ in slots]

    def _out_of_memory(self) -> AssetError:
        message = "The worker has too little memory for this."
        advice = self._with_advice(f"Out of memory on {self.device}")
        return AssetError("out_of_memory", message, retryable=True, advice=f"{advice}.")

    def _with_advice(self, problem: str) -> str:
        """`problem`, which is too little memory, and the option that helps, if there is one left."""
        advice = memory_advice(self.settings, self.placement)
        return f"{problem}: {advice}" if advice else problem

    def _reduce_memory(self, job: Job, stats: JobStats, size: int) -> int:
        """Returns the next batch size; at one, turns VAE tiling on for this job instead."""
        if size > 1:
            note = f"out of memory with {size} at once; went on with {size // 2}"
        else:
            note = "out of memory; went on with a tiled VAE"
            self.placer.save_memory()
        log.event("out_of_memory", job_id=job.id, note=note)
        stats.notes.append(note)
        return max(1, size // 2)

    def _decode_slot(self, job: Job, stats: JobStats, latents: Any) -> Any:
        """Pixels or an error; out of memory, it decodes the same latents again, in tiles."""
        if isinstance(latents, AssetError):
            return latents
        while True:
            try:
                with stats.timed("decoding"):
                    return to_uint8(self.decode(job, latents))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            empty_cache(self.placement.device)
            if not self.placer.can_save_memory:
                return self._out_of_memory()
            self._tile_from_now_on(job, stats)

    def _tile_from_now_on(self, job: Job, stats: JobStats) -> None:
        note = "the VAE ran out of memory; it decoded the same latents in tiles"
        log.event("out_of_memory", job_id=job.id, note=note)
        stats.notes.append(note)
        self.placer.save_memory()
        self._tiled_from[pool_of(job)] = _values(job)

    def _is_known_to_need_tiles(self, job: Job) -> bool:
        """Whether the VAE ran out of memory over a job of this pool that was no larger."""
        smallest = self._tiled_from.get(pool_of(job))
        return smallest is not None and _values(job) >= smallest

    def _encode_slot(self, job: Job, slot: Slot, stats: JobStats, pixels: Any) -> Result | AssetError:
        if isinstance(pixels, AssetError):
            return pixels
        with stats.timed("encoding"):
            return self.encode(job, slot, stats.prompt, pixels)

    def result_metadata(self, job: Job, slot: Slot, extra: Mapping[str, object]) -> dict[str, object]:
        """A result's metadata: what is needed to reproduce it."""
        parameters = job.parameters
        metadata: dict[str, object] = {
            "seed": slot.seed,
            "steps": parameters.steps,
            "guidance": parameters.guidance,
            "model": self.model_name(job),
            "precision": self.placement.precision_name,
            "attention": self.settings.attention,
            "vae_tiling": self.placer.uses_vae_tiling,
            "device": self.device,
            "batch": self._stats.batch if self._stats else 1,
            "libraries": library_versions(),
        }
        if job.references:
            metadata["references"] = {each.type: each.strength for each in job.references}
        return metadata | dict(extra)


def _values(job: Job) -> int:
    """Pixels of one slot, of all its frames."""
    return job.parameters.width * job.parameters.height * job.parameters.frames
