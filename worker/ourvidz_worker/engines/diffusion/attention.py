"""The attention kernels, if the operator does not leave the choice to PyTorch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from diffusers import attention_backend
from torch.nn.attention import SDPBackend, sdpa_kernel

from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable

SUPPORTED = {"sdxl": ("auto", "math"), "wan": ("auto", "math", "flash", "sage", "xformers")}
BACKENDS = {"math": "_native_math", "flash": "flash", "sage": "sage", "xformers": "xformers"}
CUDA_ONLY = ("flash", "sage", "xformers")
HALF_PRECISION_ONLY = ("flash", "sage")


def check_attention(settings: EngineSettings, placement: Placement) -> None:
    """Raises EngineUnusable if this engine or this machine does not support the attention chosen."""
    name = settings.attention
    if problem := _problem(name, settings.engine, placement):
        raise EngineUnusable(f"--attention {name} {problem}")
    try:
        with attention_context(settings):
            pass
    except (ImportError, RuntimeError, ValueError) as error:
        raise EngineUnusable(f"--attention {name}: {str(error).splitlines()[0]}") from error


def _problem(name: str, engine: str, placement: Placement) -> str:
    supported = SUPPORTED[engine]
    if name not in supported:
        return f"is nothing for the engine {engine}, which has {', '.join(supported)}"
    if name in CUDA_ONLY and placement.device != "cuda":
        return f"needs a CUDA device; here is only {placement.device}"
    if name in HALF_PRECISION_ONLY and placement.precision_name == "float32":
        return "needs half precision: --precision bfloat16"
    return ""


def attention_context(settings: EngineSettings) -> AbstractContextManager[Any]:
    """Uses the attention chosen inside the context. Raises RuntimeError if its package is not installed."""
    if settings.attention == "auto":
        return nullcontext()
    # SDXL's UNet calls PyTorch directly, not through a backend of diffusers.
    uses_diffusers_backend = settings.engine != "sdxl"
    context: AbstractContextManager[Any] = (
        attention_backend(BACKENDS[settings.attention])
        if uses_diffusers_backend
        else sdpa_kernel(SDPBackend.MATH)
    )
    return context
