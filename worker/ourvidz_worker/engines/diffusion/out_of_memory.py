"""What an engine does when memory runs out: smaller batches, a tiled VAE, an error that says what helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ourvidz_worker import log
from ourvidz_worker.engines.diffusion.job_stats import JobStats
from ourvidz_worker.engines.diffusion.pipeline_run import PipelinePlacer
from ourvidz_worker.engines.diffusion.placement import (
    Placement,
    empty_cache,
    is_out_of_memory,
    memory_advice,
)
from ourvidz_worker.engines.pools import pool_of
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.protocol import AssetError, Job


class MemoryLimits:
    """Remembers what did not fit, until the weights are loaded again."""

    def __init__(self, settings: EngineSettings, placement: Placement, placer: PipelinePlacer) -> None:
        self._settings = settings
        self._placement = placement
        self._placer = placer
        # By pool, the smallest number of values for which the VAE ran out of memory: from there on it tiles.
        self._tiled_from: dict[str, int] = {}

    def needs_tiles(self, job: Job) -> bool:
        """Whether the VAE ran out of memory over a job of this pool that was no larger."""
        smallest = self._tiled_from.get(pool_of(job))
        return smallest is not None and _values(job) >= smallest

    def reduce(self, job: Job, stats: JobStats, size: int) -> int:
        """Returns the next batch size; at one, turns VAE tiling on for this job instead."""
        if size > 1:
            note = f"out of memory with {size} at once; went on with {size // 2}"
        else:
            note = "out of memory; went on with a tiled VAE"
            self._placer.save_memory()
        _note(job, stats, note)
        return max(1, size // 2)

    def decode(self, job: Job, stats: JobStats, decode: Callable[[], Any]) -> Any:
        """What `decode` returns, or an error; out of memory, it is called again with a VAE in tiles."""
        while True:
            try:
                with stats.timed("decoding"):
                    return decode()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            empty_cache(self._placement.device)
            if not self._placer.can_save_memory:
                return self.error()
            self._tile_from_now_on(job, stats)

    def _tile_from_now_on(self, job: Job, stats: JobStats) -> None:
        _note(job, stats, "the VAE ran out of memory; it decoded the same latents in tiles")
        self._placer.save_memory()
        self._tiled_from[pool_of(job)] = _values(job)

    def error(self) -> AssetError:
        message = "The worker has too little memory for this."
        advice = out_of_memory_sentence(
            f"Out of memory on {self._placement.describe()}", self._settings, self._placement
        )
        return AssetError("out_of_memory", message, retryable=True, advice=f"{advice}.")


def out_of_memory_sentence(problem: str, settings: EngineSettings, placement: Placement) -> str:
    """`problem`, which is too little memory, and the option that helps, if there is one left."""
    advice = memory_advice(settings, placement)
    return f"{problem}: {advice}" if advice else problem


def _note(job: Job, stats: JobStats, note: str) -> None:
    log.event("out_of_memory", job_id=job.id, note=note)
    stats.notes.append(note)


def _values(job: Job) -> int:
    """Pixels of one slot, of all its frames."""
    return job.parameters.width * job.parameters.height * job.parameters.frames
