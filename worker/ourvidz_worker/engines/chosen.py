"""What a job is generated with: what its user chose, else what the operator fixed, else its job type's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ourvidz_worker.engines.models import ChoiceOffer, LoraOffer, ModelSettings, NumberOffer
from ourvidz_worker.protocol import AssetError, ChosenLora, Job, Parameters

JOB_TYPE_SETTINGS = ("steps", "guidance", "shift", "frames", "fps")
"""The parameters that a job type sets and a model may set otherwise."""


class UnsupportedParameter(Exception):
    """A parameter that this worker does not know or that its model does not offer; the message names it."""


def resolve(job: Job, model: ModelSettings) -> Job:
    """The job with the parameters that its engine goes by. Raises UnsupportedParameter.

    A job that names no model has its job type's parameters: what the model offers has its default then.
    """
    parameters = job.parameters
    known = model.offer if parameters.model else {}
    if unknown := parameters.settings.keys() - known.keys():
        raise UnsupportedParameter(f"{', '.join(sorted(unknown))} ({_described(model)} does not offer it)")
    _check_loras(parameters.loras, model)
    offered = _chosen(parameters, model) if parameters.model else _defaults(model)
    wanted: dict[str, Any] = {**model.fixed, **offered}
    negative = str(wanted.pop("negative", ""))
    own = {name: wanted.pop(name) for name in JOB_TYPE_SETTINGS if name in wanted}
    if parameters.media == "image":  # one frame, whatever the model's films have
        own |= {"frames": 1, "fps": 0}
    return replace(
        job,
        negative_prompt=_joined(negative, job.negative_prompt),
        fixed_negative_prompt=negative,
        parameters=replace(parameters, **own, settings=wanted),
    )


def _joined(fixed: str, own: str) -> str:
    """Once, where the job's own begins with it: it may have been read from a file."""
    if own == fixed or own.startswith(f"{fixed}, "):
        return own
    return ", ".join(filter(None, [fixed, own]))


def lora_weights(job: Job, model: ModelSettings) -> dict[str, float]:
    """The weight of each LoRA that a job uses, by name: those that are always on, then those chosen."""
    weights = {each.name: each.weight for each in model.loras}
    weights |= {each.name: each.weight for each in job.parameters.loras}
    return {name: weight for name, weight in weights.items() if weight}


def unsupported_error(error: UnsupportedParameter) -> AssetError:
    message = f"The worker does not support: {error}."
    return AssetError("unsupported_parameter", message, retryable=False)


def _chosen(parameters: Parameters, model: ModelSettings) -> Mapping[str, Any]:
    """What the model offers, as the user chose it. Raises UnsupportedParameter."""
    asked = {**{name: getattr(parameters, name) for name in JOB_TYPE_SETTINGS}, **parameters.settings}
    chosen = {name: value for name, value in asked.items() if name in model.offer}
    for name, value in chosen.items():
        _check(name, value, model)
    return {**_defaults(model), **chosen}


def _defaults(model: ModelSettings) -> Mapping[str, Any]:
    return {name: each.default for name, each in model.offer.items() if not isinstance(each, LoraOffer)}


def _check(name: str, value: Any, model: ModelSettings) -> None:
    offered = model.offer[name]
    if isinstance(offered, NumberOffer):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and offered.lowest <= value <= offered.highest) or (
            offered.is_whole and value != int(value)
        ):
            bounds = f"{offered.lowest:g} to {offered.highest:g}"
            raise UnsupportedParameter(f"{name} {value!r} ({_described(model)} takes {bounds})")
    elif isinstance(offered, ChoiceOffer) and value not in offered.choices:
        raise UnsupportedParameter(f"{name} {value!r} ({_described(model)} does not offer it)")


def _check_loras(chosen: tuple[ChosenLora, ...], model: ModelSettings) -> None:
    offer = model.offer.get("loras")
    offered = {each.name: each for each in offer.choices} if isinstance(offer, LoraOffer) else {}
    for lora in chosen:
        if lora.name not in offered:
            raise UnsupportedParameter(f"the LoRA {lora.name!r} ({_described(model)} does not offer it)")
        known = offered[lora.name]
        if not known.lowest <= lora.weight <= known.highest:
            bounds = f"{known.lowest:g} to {known.highest:g}"
            raise UnsupportedParameter(f"the weight {lora.weight:g} of the LoRA {lora.name!r} ({bounds})")


def _described(model: ModelSettings) -> str:
    return f"the model {model.name!r}" if model.name else "this worker"
