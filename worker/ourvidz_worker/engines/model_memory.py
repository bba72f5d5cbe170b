"""Whether the weights of another model fit beside those that are loaded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ourvidz_worker.engines.model_keys import GPU_ENGINES
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.hub_weights import cached_location
from ourvidz_worker.weight_files import is_on_disk, is_single_file, part_sizes

WORKING_SHARE, WORKING_BYTES = 0.5, 2 * 2**30
"""What a model wants beside its weights, to compute with: generously, since a job that runs out of memory
costs more than weights that are loaded again."""


def weight_bytes(settings: EngineSettings) -> int | None:
    """The bytes that these settings load; None if that is not known before, 0 for engines without weights."""
    if settings.engine == "comfy":  # it loads what its workflow says, perhaps on the same GPU
        return None
    if settings.engine not in GPU_ENGINES:
        return 0
    float_bytes = 4 if settings.precision == "float32" else 2
    total = 0
    for about, location in (
        ("model", settings.model),
        ("image model", settings.image_model),
        ("enhancer", settings.enhancer),
    ):
        sizes = part_sizes(_place(about, location), float_bytes) if location else [0]
        if not sizes:
            return None
        total += sum(sizes)
    return total


def _place(about: str, location: str) -> str:
    """Where these weights are on this machine; empty if they are not."""
    if is_on_disk(location):
        return location
    with suppress(ImportError):  # without the hub's client nothing was fetched
        return cached_location("file" if is_single_file(location) else about, location)
    return ""


def fits(settings: EngineSettings) -> bool:
    """Whether what is free now is enough for the model of these settings, with what it computes with."""
    needed = weight_bytes(settings)
    if needed == 0:
        return True
    if needed is None:
        return False
    from ourvidz_worker.engines.diffusion.placement import choose_placement, memory_bytes

    try:
        device = choose_placement(settings, half="bfloat16").device
    except EngineUnusable:  # loading it says so
        return True
    wanted = needed * (1 + WORKING_SHARE) + WORKING_BYTES
    free_here = [free_main_memory()]  # weights pass through it, and wait there while others run
    if device != "cpu" and settings.offload == "none":
        free_here.append(memory_bytes(device)[0])
    return all(free >= wanted for free in free_here)


def free_main_memory() -> int:
    """Bytes that programs can have: what caches of files take is free, too."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        from ourvidz_worker.engines.diffusion.placement import memory_bytes

        return memory_bytes("cpu")[0]
