"""The values of one slot of a job, by the names that a workflow binds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ourvidz_worker.engines.chosen import UnsupportedParameter
from ourvidz_worker.engines.comfy.options import JOB_TYPE_VALUES, ComfyOptions
from ourvidz_worker.engines.comfy.workflow import Target
from ourvidz_worker.protocol import Job, Slot


def values_for(job: Job, slot: Slot, bound: Mapping[str, Any]) -> dict[str, Any]:
    """All but the references, of a job whose parameters are resolved. Raises UnsupportedParameter."""
    parameters = job.parameters
    if job.negative_prompt and "negative_prompt" not in bound:
        raise UnsupportedParameter("a negative prompt (the workflow of this model has no place for one)")
    if unknown := parameters.settings.keys() - bound.keys():
        raise UnsupportedParameter(f"{', '.join(sorted(unknown))} (the workflow has no place for it)")
    values = {
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "seed": slot.seed,
        "width": parameters.width,
        "height": parameters.height,
        **{name: getattr(parameters, name) for name in JOB_TYPE_VALUES},
        **parameters.settings,
    }
    for reference in job.references:
        values[f"{reference.type}_strength"] = reference.strength
        values[f"{reference.type}_denoise"] = round(1.0 - reference.strength, 6)
    return {name: value for name, value in values.items() if name in bound and value is not None}


def placed(options: ComfyOptions, values: Mapping[str, Any]) -> dict[Target, Any]:
    return {target: value for name, value in values.items() for target in options.bind[name]}
