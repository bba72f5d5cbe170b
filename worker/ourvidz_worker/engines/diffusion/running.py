"""One run of a pipeline: its steps reported, stopped when told to, moved on and off the GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from ourvidz_worker.engines.base import ReportProgress, ShouldStop
from ourvidz_worker.engines.diffusion.attention import chosen_attention
from ourvidz_worker.engines.diffusion.glimpse import Window
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import Halted


class Steps:
    """Diffusers' `callback_on_step_end`: walks from `begin` to `end` of the whole job."""

    def __init__(
        self, begin: float, end: float, report: ReportProgress, should_stop: ShouldStop, window: Window
    ) -> None:
        self._begin = begin
        self._length = end - begin
        self._report = report
        self._should_stop = should_stop
        self._window = window

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if self._should_stop():
            raise Halted
        share = (step + 1) / max(1, pipeline.num_timesteps)
        self._report(self._begin + self._length * share, "generating")
        self._window.look(tensors.get("latents"))
        return tensors


class Stage:
    """Puts the pipeline that is about to run on the device, as the operator's settings say.

    Pipelines share their parts, and an offloading hook belongs to one pipeline: whichever runs next
    takes the hooks over.
    """

    def __init__(self, settings: EngineSettings, device: str) -> None:
        self._settings = settings
        self._device = device
        self._on_stage: Any = None
        self.loading: Callable[[], AbstractContextManager[None]] = nullcontext  # around what enter() moves
        self._slices = settings.attention == "sliced"
        self._tiles = settings.vae_tiling

    @property
    def savings(self) -> list[str]:
        """What could still be switched on that costs time instead of memory, in words."""
        slices = [] if self._slices or not has_slices(self._on_stage) else ["attention slices"]
        return slices + ([] if self._tiles else ["a tiled VAE"])

    def enter(self, pipeline: Any) -> None:
        if pipeline is self._on_stage:
            return
        with self.loading():
            self._set(pipeline)
        self._on_stage = pipeline

    def _set(self, pipeline: Any) -> None:
        if self._settings.offload == "model":
            pipeline.enable_model_cpu_offload()
        elif self._settings.offload == "sequential":
            pipeline.enable_sequential_cpu_offload()
        else:
            pipeline.to(self._device)
        if self._slices and has_slices(pipeline):
            pipeline.enable_attention_slicing()
        if self._tiles:
            pipeline.vae.enable_tiling()

    def save_memory(self) -> str:
        """From here on with all of `savings`; in words."""
        told = " and ".join(self.savings)
        self._slices = self._tiles = True
        self._on_stage = None
        return told

    def attention(self) -> AbstractContextManager[Any]:
        return chosen_attention(self._settings)

    def clear(self, pipeline: Any) -> None:
        """After a run that did not end by itself: what it had on the GPU goes back."""
        if self._settings.offload == "model":
            pipeline.maybe_free_model_hooks()


def has_slices(pipeline: Any) -> bool:
    """Wan's attention knows no slices, and they would replace the adapters of a UNet that has some."""
    return hasattr(pipeline, "unet") and pipeline.unet.encoder_hid_proj is None


def generators(seeds: Sequence[int]) -> list[Any]:
    """One for each slot, on the processor: the same noise on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def run(pipeline: Any, stage: Stage, call: Callable[[], Any]) -> Any:
    stage.enter(pipeline)
    try:
        with torch.inference_mode(), stage.attention():
            return call()
    except BaseException:
        stage.clear(pipeline)
        raise
