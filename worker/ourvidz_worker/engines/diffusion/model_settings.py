"""The settings that a model fixes or offers beside its job type's, as the engines on diffusers read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ourvidz_worker.engines.diffusion.schedulers import Recipe, scheduler_problem
from ourvidz_worker.engines.model_keys import SETTINGS
from ourvidz_worker.engines.models import ChoiceOffer, ModelSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import Job

T = TypeVar("T", int, float, str)


def chosen(job: Job, name: str, otherwise: T) -> T:
    """The setting of this name, as the operator fixed or the user chose it."""
    value = job.parameters.settings.get(name)
    return otherwise if value is None else type(otherwise)(value)


def check_settings(model: ModelSettings, schedulers: Mapping[str, Recipe], own: Any) -> None:
    """Raises EngineUnusable if a setting of the model is none of its engine, or a scheduler does not exist.

    `own`: the scheduler that comes with the weights.
    """
    for name in (*model.fixed, *model.offer):
        if name != "loras" and (name not in SETTINGS or model.engine not in SETTINGS[name].engines):
            raise EngineUnusable(f"the engine {model.engine} has no setting {name}")
    offered = model.offer.get("scheduler")
    names = [*(offered.choices if isinstance(offered, ChoiceOffer) else ())]
    names += [model.fixed["scheduler"]] if "scheduler" in model.fixed else []
    for each in names:
        if problem := scheduler_problem(str(each), schedulers, own):
            raise EngineUnusable(problem)


def chosen_metadata(job: Job, loras: Mapping[str, float]) -> dict[str, object]:
    """What a result's metadata says of them, by the settings' own names."""
    metadata: dict[str, object] = dict(job.parameters.settings)
    return metadata | ({"loras": dict(loras)} if loras else {})
