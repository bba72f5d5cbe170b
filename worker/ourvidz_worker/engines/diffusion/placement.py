"""Where the weights lie and how precisely they are computed with."""

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

LIBRARIES = ("torch", "diffusers", "transformers")
TOO_LITTLE_MEMORY = (
    "DefaultCPUAllocator",
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # there was no room for its handle
    "unable to find an engine to execute this computation",  # cuDNN's; none had room for its workspace
)


@dataclass(frozen=True, slots=True)
class Placement:
    """`precision` of everything but the VAE, which makes black pictures and banding when it is halved."""

    device: str
    precision: Any

    def describe(self) -> str:
        if self.device == "cuda":
            memory = torch.cuda.get_device_properties(0).total_memory / 2**30
            return f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB"
        return {"cpu": f"CPU, {torch.get_num_threads()} threads", "mps": "Apple GPU"}[self.device]

    @property
    def precision_name(self) -> str:
        return str(self.precision).removeprefix("torch.")


def choose_placement(settings: EngineSettings, *, half: str) -> Placement:
    """`half`: the precision that suits the model on a GPU.

    Raises:
        EngineUnusable: the device is not there, or the settings contradict each other.
    """
    device = _device(settings.device)
    if settings.offload != "none" and device != "cuda":
        raise EngineUnusable(f"--offload {settings.offload} needs a CUDA device; here is only {device}")
    # Else cuDNN takes whatever is quickest at the moment, and the same seed gives other pixels.
    torch.backends.cudnn.deterministic = True
    name = settings.precision
    if name == "auto":
        name = "float32" if device == "cpu" else half
    if name == "bfloat16" and device == "cuda" and not _computes_bfloat16():
        name = "float16"
    return Placement(device, getattr(torch, name))


def _computes_bfloat16() -> bool:
    """Emulated, as on a T4, it is slower than float32."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _device(wanted: str) -> str:
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, is_there in there.items() if is_there)
    if not there[wanted]:
        raise EngineUnusable(f"--device {wanted}: torch {torch.__version__} finds no such device here")
    return wanted


def libraries() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def memory(device: str) -> tuple[int, int]:
    """Bytes that are free and that there are: of the GPU, else of the machine."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return int(free), int(total)
    page, total = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    free = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else total
    return page * free, page * total


def forget_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_mib(device: str) -> int:
    """Of the GPU's memory since `forget_peak`; without a GPU, of this process since it began."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated() / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / 2**20) if sys.platform == "darwin" else int(peak / 2**10)


def give_back_memory(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """torch raises its own error for most of a GPU's; its libraries, Apple's GPU and malloc a plain one."""
    return isinstance(error, torch.OutOfMemoryError) or any(each in str(error) for each in TOO_LITTLE_MEMORY)
