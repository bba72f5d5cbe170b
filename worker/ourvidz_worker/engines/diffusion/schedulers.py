"""Schedulers by the names that people know them by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

Recipe = tuple[str, Mapping[str, Any]]

DPM: Mapping[str, Any] = {"algorithm_type": "dpmsolver++", "solver_order": 2}
KARRAS: Mapping[str, Any] = {"use_karras_sigmas": True}
SDXL_SCHEDULERS: Mapping[str, Recipe] = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_karras": ("EulerDiscreteScheduler", KARRAS),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", DPM),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {**DPM, **KARRAS}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {**DPM, "algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2m_sde_karras": (
        "DPMSolverMultistepScheduler",
        {**DPM, **KARRAS, "algorithm_type": "sde-dpmsolver++"},
    ),
    "ddim": ("DDIMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {"algorithm_type": "deis"}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
FLOW: Mapping[str, Any] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
# None that adds noise: Wan's pipelines give theirs no generator, and the same seed would make another film.
WAN_SCHEDULERS: Mapping[str, Recipe] = {
    "unipc": ("UniPCMultistepScheduler", FLOW),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {**DPM, **FLOW}),
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "heun": ("FlowMatchHeunDiscreteScheduler", {}),
}
SPACINGS = ("leading", "linspace", "trailing")
ZERO_SNR = "rescale_betas_zero_snr"


def sdxl_scheduler(own: Any, name: str, spacing: str) -> Any:
    """The scheduler of this name for the weights that come with `own`; `own` where there is no name.

    What the weights were trained with (betas, prediction, zero terminal SNR) stays.
    """
    if not name:
        return type(own).from_config(own.config, timestep_spacing=spacing) if spacing else own
    class_name, options = SDXL_SCHEDULERS[name]
    plain = {"use_karras_sigmas": False, "use_flow_sigmas": False}
    wanted = {**plain, **options, **({"timestep_spacing": spacing} if spacing else {})}
    return _made(class_name, own, wanted)


def wan_scheduler(own: Any, name: str, shift: float) -> Any:
    """The scheduler of this name, UniPC for none, with the shift of its noise."""
    class_name, options = WAN_SCHEDULERS[name or "unipc"]
    return _made(class_name, own, {**options, "flow_shift": shift, "shift": shift})


def trained_for(own: Any, prediction: str, *, zero_snr: bool) -> Any:
    """`own`, for weights that predict something else than its configuration says.

    Zero terminal SNR begins at pure noise, which the last timestep alone is: hence the trailing spacing.
    """
    changes: dict[str, Any] = {"prediction_type": prediction}
    if zero_snr:
        changes |= {ZERO_SNR: True, "timestep_spacing": "trailing"}
    return type(own).from_config(own.config, **changes)


def scheduler_problem(name: str, schedulers: Mapping[str, Recipe], own: Any) -> str:
    """Why the weights cannot be sampled so; empty if they can."""
    if name not in schedulers:
        return f"there is no scheduler {name!r}; there are {', '.join(schedulers)}"
    if own.config.get(ZERO_SNR) and ZERO_SNR not in _parameters(schedulers[name][0]):
        return f"the scheduler {name} cannot begin at pure noise, as these weights (zero terminal SNR) want"
    return ""


def _made(class_name: str, own: Any, options: Mapping[str, Any]) -> Any:
    known = _parameters(class_name)
    return getattr(diffusers, class_name).from_config(
        own.config, **{option: value for option, value in options.items() if option in known}
    )


def _parameters(class_name: str) -> frozenset[str]:
    return frozenset(inspect.signature(getattr(diffusers, class_name).__init__).parameters)
