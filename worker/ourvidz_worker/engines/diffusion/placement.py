"""The device and the precision that an engine computes with."""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch

from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable

LIBRARY_NAMES = ("torch", "diffusers", "transformers")
OUT_OF_MEMORY_MESSAGES = (
    "DefaultCPUAllocator",
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # no memory for its handle
    "unable to find an engine to execute this computation",  # cuDNN's, when no engine's workspace fits
)
OFFLOAD_ADVICE = {
    "none": "--offload model needs less",
    "model": "--offload group needs much less",
    "group": "--offload sequential needs the least",
}


@dataclass(frozen=True, slots=True)
class Placement:
    """The `precision` of everything but the VAE, which gives black pictures and banding in half precision."""

    device: str
    precision: Any

    def describe(self) -> str:
        if self.device == "cuda":
            memory_gib = torch.cuda.get_device_properties(0).total_memory / 2**30
            return f"{torch.cuda.get_device_name(0)}, {memory_gib:.0f} GiB"
        return {"cpu": f"CPU, {torch.get_num_threads()} threads", "mps": "Apple GPU"}[self.device]

    @property
    def precision_name(self) -> str:
        return str(self.precision).removeprefix("torch.")


def choose_placement(settings: EngineSettings, *, half: str) -> Placement:
    """`half`: the precision that the model needs on a GPU.

    Raises:
        EngineUnusable: the device does not exist, or the settings contradict each other.
    """
    device = _device(settings.device)
    if settings.offload != "none" and device != "cuda":
        raise EngineUnusable(f"--offload {settings.offload} needs a CUDA device; here is only {device}")
    # Otherwise cuDNN picks what is fastest at the moment, and the same seed gives other pixels.
    torch.backends.cudnn.deterministic = True
    name = settings.precision
    if name == "auto":
        name = "float32" if device == "cpu" else half
    if name == "bfloat16" and device == "cuda" and not _has_native_bfloat16():
        name = "float16"
    return Placement(device, getattr(torch, name))


def _has_native_bfloat16() -> bool:
    """Emulated bfloat16, as on a T4, is slower than float32."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _device(requested: str) -> str:
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if requested == "auto":
        return next(name for name, is_available in available.items() if is_available)
    kind = requested.partition(":")[0]  # of cuda:1 this process sees that one alone (gpu_choice)
    if not available[kind]:
        raise EngineUnusable(f"--device {requested}: torch {torch.__version__} finds no such device here")
    return kind


def library_versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARY_NAMES}


def memory_bytes(device: str) -> tuple[int, int]:
    """Free and total memory: of the GPU, else of the machine."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return int(free), int(total)
    page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else total
    return page * free, page * total


def memory_advice(settings: EngineSettings, placement: Placement) -> str:
    """The option that makes do with less memory here; empty if all that can be set is set."""
    if placement.device == "cuda" and settings.offload in OFFLOAD_ADVICE:
        return OFFLOAD_ADVICE[settings.offload]
    if placement.precision_name == "float32":
        return "--precision bfloat16 needs half"
    return ""


def reset_peak_memory(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_memory_mib(device: str) -> int:
    """The peak of GPU memory since `reset_peak_memory`; without a GPU, of this process since its start."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated() / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / 2**20) if sys.platform == "darwin" else int(peak / 2**10)


def empty_cache(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """torch raises its own error for most; its libraries, Apple's GPU and malloc raise RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        each in str(error) for each in OUT_OF_MEMORY_MESSAGES
    )
