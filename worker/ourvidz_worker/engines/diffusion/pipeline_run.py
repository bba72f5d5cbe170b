"""One run of a pipeline: its steps reported, stopped when told to, moved on and off the GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import AutoencoderKL

from ourvidz_worker.engines.base import ReportProgress, ShouldStop
from ourvidz_worker.engines.diffusion.attention import chosen_attention
from ourvidz_worker.engines.diffusion.latent_preview import BatchPreviews
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import Halted


class Steps:
    """Diffusers' `callback_on_step_end`: walks from `begin` to `end` of the whole job."""

    def __init__(
        self,
        begin: float,
        end: float,
        report: ReportProgress,
        should_stop: ShouldStop,
        batch_previews: BatchPreviews,
    ) -> None:
        self._begin = begin
        self._length = end - begin
        self._report = report
        self._should_stop = should_stop
        self._batch_previews = batch_previews

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if self._should_stop():
            raise Halted
        share = (step + 1) / max(1, pipeline.num_timesteps)
        self._report(self._begin + self._length * share, "generating")
        self._batch_previews.show_next(tensors.get("latents"))
        return tensors


class Placer:
    """Puts the pipeline that is about to run on the device, as the operator's settings say.

    Pipelines share their parts, and an offloading hook belongs to one pipeline: whichever runs next
    takes the hooks over.
    """

    def __init__(self, settings: EngineSettings, device: str) -> None:
        self._settings = settings
        self._device = device
        self._ready: Any = None  # the one that may run
        self._there: Any = None  # the one whose parts lie on the device
        self._vae_dtype: Any = None
        self.loading: Callable[[], AbstractContextManager[None]] = nullcontext  # around what enter() moves
        self.tiles = settings.vae_tiling

    def begin(self) -> None:
        """What saved memory for one job changes the pixels of no other."""
        if self.tiles != self._settings.vae_tiling:
            self.tiles = self._settings.vae_tiling
            self._ready = None

    @property
    def can_save(self) -> bool:
        return not self.tiles

    def save_memory(self) -> None:
        """A VAE that works in tiles takes more time and less memory: in use until `begin`."""
        self.tiles = True
        self._ready = None

    def enter(self, pipeline: Any) -> None:
        if pipeline is self._ready:
            return
        self._ready = None  # until all of it is there
        with self.loading():
            self._place(pipeline)
        pipeline.vae.enable_slicing()  # of a batch: pictures are decoded one by one
        set_tiling(pipeline.vae, on=self.tiles)
        self._vae_dtype = pipeline.vae.dtype
        self._ready = pipeline

    def _place(self, pipeline: Any) -> None:
        if self._settings.offload == "model":
            pipeline.enable_model_cpu_offload()
        elif self._settings.offload == "sequential":
            pipeline.enable_sequential_cpu_offload()
        elif pipeline is not self._there:
            self._exchange(pipeline)

    def _exchange(self, pipeline: Any) -> None:
        """What only the last one uses leaves first: two large models need not fit side by side."""
        last, self._there = self._there, None
        for part in parts(last) - parts(pipeline):
            part.to("cpu")
        try:
            pipeline.to(self._device)
        except RuntimeError:  # halfway, for want of memory
            pipeline.to("cpu")
            raise
        self._there = pipeline

    def attention(self) -> AbstractContextManager[Any]:
        return chosen_attention(self._settings)

    def clear(self, pipeline: Any) -> None:
        """After a run that did not end by itself: what it had on the GPU goes back, and a VAE that was
        widened to decode is what it was; its pipeline narrows it only after a picture.
        """
        if self._settings.offload == "model":
            pipeline.maybe_free_model_hooks()
        if pipeline.vae.dtype != self._vae_dtype:
            pipeline.vae.to(self._vae_dtype)

    def leave(self) -> None:
        self._ready = self._there = None


def parts(pipeline: Any) -> set[Any]:
    """The models of a pipeline; of None, none."""
    components = pipeline.components.values() if pipeline is not None else ()
    return {part for part in components if isinstance(part, torch.nn.Module)}


def set_tiling(vae: Any, *, on: bool) -> None:
    if not on:
        vae.disable_tiling()
        return
    vae.enable_tiling()
    if isinstance(vae, AutoencoderKL):
        # By itself it takes the whole of a usual picture for one tile.
        side = vae.config.sample_size // 2
        vae.tile_sample_min_size = side
        vae.tile_latent_min_size = side >> (len(vae.config.block_out_channels) - 1)


def generators(seeds: Sequence[int]) -> list[Any]:
    """One for each slot, on the processor: the same noise on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def run(pipeline: Any, placer: Placer, call: Callable[[], Any]) -> Any:
    placer.enter(pipeline)
    try:
        with torch.inference_mode(), placer.attention():
            return call()
    except BaseException:
        placer.clear(pipeline)
        raise
