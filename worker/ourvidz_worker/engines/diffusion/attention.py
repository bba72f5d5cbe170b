"""How attention is computed, where the operator does not leave it to PyTorch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from diffusers import attention_backend
from torch.nn.attention import SDPBackend, sdpa_kernel

from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable

USABLE = {"sdxl": ("auto", "math"), "wan": ("auto", "math", "flash", "sage", "xformers")}
BACKENDS = {"math": "_native_math", "flash": "flash", "sage": "sage", "xformers": "xformers"}
ON_CUDA = ("flash", "sage", "xformers")
IN_HALVES = ("flash", "sage")


def check_attention(settings: EngineSettings, placement: Placement) -> None:
    """Raises EngineUnusable: this engine has no such attention, or this machine cannot do it."""
    name = settings.attention
    if problem := _misfit(name, settings.engine, placement):
        raise EngineUnusable(f"--attention {name} {problem}")
    try:
        with chosen_attention(settings):
            pass
    except (ImportError, RuntimeError, ValueError) as error:
        raise EngineUnusable(f"--attention {name}: {str(error).splitlines()[0]}") from error


def _misfit(name: str, engine: str, placement: Placement) -> str:
    usable = USABLE[engine]
    if name not in usable:
        return f"is nothing for the engine {engine}, which has {', '.join(usable)}"
    if name in ON_CUDA and placement.device != "cuda":
        return f"needs a CUDA device; here is only {placement.device}"
    if name in IN_HALVES and placement.precision_name == "float32":
        return "needs half precision: --precision bfloat16"
    return ""


def chosen_attention(settings: EngineSettings) -> AbstractContextManager[Any]:
    """Inside, it is computed so. Raises RuntimeError when a package that does is not there."""
    if settings.attention == "auto":
        return nullcontext()
    # SDXL's UNet calls PyTorch without asking diffusers for a backend.
    is_asked = settings.engine != "sdxl"
    chosen: AbstractContextManager[Any] = (
        attention_backend(BACKENDS[settings.attention]) if is_asked else sdpa_kernel(SDPBackend.MATH)
    )
    return chosen
