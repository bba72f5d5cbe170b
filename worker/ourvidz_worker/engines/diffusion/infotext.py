"""What a result says about how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ourvidz_worker import __version__

SAMPLERS = {
    "UniPCMultistepScheduler": "UniPC",
    "EulerDiscreteScheduler": "Euler",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "FlowMatchEulerDiscreteScheduler": "Euler",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DDIMScheduler": "DDIM",
    "LCMScheduler": "LCM",
}


def sampler_name(scheduler: object) -> str:
    name = type(scheduler).__name__
    return SAMPLERS.get(name, name.removesuffix("Scheduler"))


def parameters_text(*, prompt: str, negative_prompt: str, facts: Mapping[str, object]) -> str:
    """As the common tools of this field write and read it: the prompt, the negative prompt, then one line
    of `Name: value` pairs, in which a value with a comma, a colon or a line break is a JSON string.
    """
    pairs = {**facts, "Version": f"ourvidz-worker {__version__}"}
    lines = [prompt]
    if negative_prompt:
        lines.append(f"Negative prompt: {negative_prompt}")
    lines.append(", ".join(f"{name}: {_quoted(str(value))}" for name, value in pairs.items()))
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if any(char in text for char in ",:\n") else text
