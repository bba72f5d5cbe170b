"""Why a setting of another program has no place in a job here, in a sentence for its reader."""

from __future__ import annotations

from collections.abc import Collection

from generation.core.graphemes import cut
from generation.media.parameters.found import OURS, Parameters

BY_JOB_TYPE = "chosen by the job type"
BY_WORKER = "chosen by the worker"
REASONS = {
    "Sampler": BY_JOB_TYPE,
    "Schedule type": BY_JOB_TYPE,
    "Scheduler": BY_JOB_TYPE,
    "Shift": BY_JOB_TYPE,
    "Frames": BY_JOB_TYPE,
    "FPS": BY_JOB_TYPE,
    "Steps": "chosen by the quality",
    "CFG scale": "chosen by the quality",
    "Guidance": "chosen by the quality",
    "Model": BY_WORKER,
    "VAE": BY_WORKER,
    "LoRA": "chosen with a model here",
    "Hypernetwork": "a job here loads none",
    "Template": "the prompt that came of it is used",
    "Negative Template": "the negative prompt that came of it is used",
}
# Of the file and the program rather than of the picture.
SILENT = {"Version", "Model hash", "VAE hash", "Lora hashes", "Hashes", "TI hashes", "Civitai metadata"}
# In files of ours these follow from what a job here is made with.
FOLLOWS = {"Sampler", "Schedule type", "Scheduler", "Shift", "Frames", "FPS", "Steps", "CFG scale"}
FOLLOWS |= {"Guidance", "Model", "VAE"}
MOST = 24  # sentences
MAX_VALUE = 80  # characters


def unused(found: Parameters, used: Collection[str] = ()) -> list[str]:
    """A sentence for each setting that was read and cannot be used, and for what could not be read.

    `used`: the names of those that the caller has a place for.
    """
    silent = {*SILENT, *used} | (FOLLOWS if found.source == OURS else set())
    told = [(name, value) for name, value in found.others if name not in silent]
    sentences = [f"{name}: {cut(value, MAX_VALUE)} – {_reason(name)}." for name, value in told[:MOST]]
    if len(told) > MOST:
        sentences.append(f"{len(told) - MOST} more settings are not used here.")
    return [*sentences, *found.notes]


def _reason(name: str) -> str:
    if name.startswith("Hires"):
        return "a job here makes one pass"
    return REASONS.get(name, "not used here")
