"""Runs a pipeline: places it on the device, reports its steps, stops it on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.hooks import apply_group_offloading

from ourvidz_worker.engines.base import ReportProgress, ShouldStop
from ourvidz_worker.engines.diffusion.attention import attention_context
from ourvidz_worker.engines.diffusion.latent_preview import BatchPreviews
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import Halted


class StepCallback:
    """Diffusers' `callback_on_step_end`: reports progress from `begin` to `end` of the whole job."""

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


class PipelinePlacer:
    """Places the pipeline that runs next on the device, as the operator's settings say.

    Pipelines share their parts, and an offloading hook belongs to one pipeline: the pipeline that runs next
    takes the hooks over.
    """

    def __init__(self, settings: EngineSettings, device: str) -> None:
        self._settings = settings
        self._device = device
        self._ready: Any = None  # the pipeline that may run
        self._resident: Any = None  # the pipeline whose parts are on the device
        self._grouped: set[Any] = set()  # the parts whose layers come one by one
        self._vae_dtype: Any = None
        self.loading: Callable[[], AbstractContextManager[None]] = (
            nullcontext  # entered while place() moves parts
        )
        self.uses_vae_tiling = settings.vae_tiling

    def reset(self, *, tiling: bool = False) -> None:
        """Undoes `save_memory` at the start of a job, which may need `tiling` itself: it must not change the
        pixels of other jobs.
        """
        tiling = tiling or self._settings.vae_tiling
        if self.uses_vae_tiling != tiling:
            self.uses_vae_tiling = tiling
            self._ready = None

    @property
    def can_save_memory(self) -> bool:
        return not self.uses_vae_tiling

    def save_memory(self) -> None:
        """Turns VAE tiling on until `reset`: it takes more time and less memory."""
        self.uses_vae_tiling = True
        self._ready = None

    def place(self, pipeline: Any) -> None:
        if pipeline is self._ready:
            return
        self._ready = None  # until it is placed as a whole
        with self.loading():
            self._move(pipeline)
        pipeline.vae.enable_slicing()  # a batch's pictures are decoded one by one
        set_vae_tiling(pipeline.vae, on=self.uses_vae_tiling)
        self._vae_dtype = pipeline.vae.dtype
        self._ready = pipeline

    def _move(self, pipeline: Any) -> None:
        if self._settings.offload == "model":
            pipeline.enable_model_cpu_offload()
        elif self._settings.offload == "sequential":
            pipeline.enable_sequential_cpu_offload()
        elif self._settings.offload == "group":
            self._group(pipeline)
        elif pipeline is not self._resident:
            self._swap(pipeline)

    def _group(self, pipeline: Any) -> None:
        """Layers come to the device one by one, while the one before computes; the VAE, which is small and
        changes its precision, stays there. A part that two pipelines share has its hooks once.
        """
        device = torch.device(self._device)
        pipeline.vae.to(device)
        for part in parts(pipeline) - self._grouped - {pipeline.vae}:
            apply_group_offloading(
                part,
                onload_device=device,
                offload_type="leaf_level",
                use_stream=device.type == "cuda",
                low_cpu_mem_usage=True,
            )
            self._grouped.add(part)

    def _swap(self, pipeline: Any) -> None:
        """Moves the previous pipeline's own parts away first: two large models may not fit together."""
        previous, self._resident = self._resident, None
        for part in parts(previous) - parts(pipeline):
            part.to("cpu")
        try:
            pipeline.to(self._device)
        except RuntimeError:  # out of memory, with some parts moved
            pipeline.to("cpu")
            raise
        self._resident = pipeline

    def attention(self) -> AbstractContextManager[Any]:
        return attention_context(self._settings)

    def clean_up(self, pipeline: Any) -> None:
        """After an aborted run: offloads the parts again and restores the VAE's precision, which its pipeline
        raises to decode and lowers only after a complete run.
        """
        if self._settings.offload == "model":
            pipeline.maybe_free_model_hooks()
        if pipeline.vae.dtype != self._vae_dtype:
            pipeline.vae.to(self._vae_dtype)

    def release(self) -> None:
        self._ready = self._resident = None
        self._grouped.clear()


def parts(pipeline: Any) -> set[Any]:
    """The models of a pipeline; an empty set for None."""
    components = pipeline.components.values() if pipeline is not None else ()
    return {part for part in components if isinstance(part, torch.nn.Module)}


def set_vae_tiling(vae: Any, *, on: bool) -> None:
    if not on:
        vae.disable_tiling()
        return
    vae.enable_tiling()
    if isinstance(vae, AutoencoderKL):
        # By default one tile holds a whole picture of the default size.
        side = vae.config.sample_size // 2
        vae.tile_sample_min_size = side
        vae.tile_latent_min_size = side >> (len(vae.config.block_out_channels) - 1)


def seeded_generators(seeds: Sequence[int]) -> list[Any]:
    """One generator for each slot, on the CPU: the same noise on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def run(pipeline: Any, placer: PipelinePlacer, call: Callable[[], Any]) -> Any:
    placer.place(pipeline)
    try:
        with torch.inference_mode(), placer.attention():
            return call()
    except BaseException:
        placer.clean_up(pipeline)
        raise
