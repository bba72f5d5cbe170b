"""Generation parameters as text ("infotext"), in the format of AUTOMATIC1111's stable-diffusion-webui."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ourvidz_worker import __version__
from ourvidz_worker.engines.chosen import lora_weights
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.protocol import Job, Slot

SAMPLERS = {
    "UniPCMultistepScheduler": "UniPC",
    "EulerDiscreteScheduler": "Euler",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "FlowMatchEulerDiscreteScheduler": "Euler",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DDIMScheduler": "DDIM",
    "DEISMultistepScheduler": "DEIS",
    "HeunDiscreteScheduler": "Heun",
    "FlowMatchHeunDiscreteScheduler": "Heun",
    "KDPM2DiscreteScheduler": "DPM2",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "LCMScheduler": "LCM",
    "TCDScheduler": "TCD",
}

LABELS = {
    "guidance": "CFG scale",
    "guidance_2": "CFG scale 2",
    "guidance_rescale": "CFG Rescale",
    "spacing": "Schedule spacing",
}
"""How stable-diffusion-webui and its like name a setting, where not by its own name."""


def sampler_name(scheduler: Any) -> str:
    name = type(scheduler).__name__
    stochastic = " SDE" if str(scheduler.config.get("algorithm_type")).startswith("sde-") else ""
    return SAMPLERS.get(name, name.removesuffix("Scheduler")) + stochastic


def common_fields(
    job: Job, slot: Slot, scheduler: Any, size: tuple[int, int], model: str
) -> dict[str, object]:
    """The fields that every file has; `size` is (width, height) in px."""
    karras = {"Schedule type": "Karras"} if scheduler.config.get("use_karras_sigmas") else {}
    return {
        "Steps": job.parameters.steps,
        "Sampler": sampler_name(scheduler),
        **karras,
        "CFG scale": job.parameters.guidance,
        "Seed": slot.seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model": model,
    }


def setting_fields(values: Mapping[str, Any]) -> dict[str, object]:
    """Settings as a file's text names them."""
    return {LABELS.get(name, name.replace("_", " ").capitalize()): value for name, value in values.items()}


def chosen_fields(job: Job, model: ModelSettings) -> dict[str, object]:
    """What the operator fixed and the user chose: a scheduler by the name that chose it, from which it can be
    chosen again; the sampler of `common_fields` is the class of several.
    """
    parameters, governed = job.parameters, {*model.fixed, *model.offer}
    values: dict[str, Any] = {
        name: getattr(parameters, name) for name in ("steps", "guidance", "shift") if name in governed
    }
    values |= parameters.settings
    loras = ", ".join(f"{name}: {weight:g}" for name, weight in lora_weights(job, model).items())
    return setting_fields(values) | ({"Loras": loras} if loras else {}) | fixed_negative_field(job)


def fixed_negative_field(job: Job) -> dict[str, object]:
    """What of the negative prompt is the model's, so that what the user typed can be told from it."""
    fixed = job.fixed_negative_prompt
    return {"Fixed negative prompt": fixed} if fixed else {}


def parameters_text(*, prompt: str, negative_prompt: str, fields: Mapping[str, object]) -> str:
    """The text as common tools read it: prompt, negative prompt, then one line of `Name: value` pairs, in
    which a value with a comma, a colon, a quotation mark or a line break is a JSON string.
    """
    fields = {**fields, "Version": f"ourvidz-worker {__version__}"}
    lines = [prompt]
    if negative_prompt:
        lines.append(f"Negative prompt: {negative_prompt}")
    lines.append(", ".join(f"{name}: {_quote(str(value))}" for name, value in fields.items()))
    return "\n".join(lines)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if any(char in text for char in ',:"\n') else text
