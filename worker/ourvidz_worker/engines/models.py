"""A model that a worker serves: what it is made of, what its operator fixed and what a user may choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ourvidz_worker.engines.settings import EngineSettings

MAX_NAME_LENGTH = 40
Value = int | float | str | bool
"""What one setting can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A LoRA file of a model. `weight` is its default; a user may choose from `lowest` to `highest`."""

    name: str
    file: str
    title: str = ""
    weight: float = 1.0
    lowest: float = -1.0
    highest: float = 2.0
    trigger_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberOffer:
    """A number that a user may choose, both ends included."""

    lowest: float
    highest: float
    default: float
    is_whole: bool

    def body(self) -> dict[str, Any]:
        kind = "integer" if self.is_whole else "number"
        return {"type": kind, "minimum": self.lowest, "maximum": self.highest, "default": self.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOffer:
    """A value of a list that a user may choose."""

    choices: tuple[Value, ...]
    default: Value

    def body(self) -> dict[str, Any]:
        return {"type": "choice", "choices": list(self.choices), "default": self.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOffer:
    """LoRAs that a user may choose, each with a weight."""

    choices: tuple[Lora, ...]

    def body(self) -> dict[str, Any]:
        return {
            "type": "loras",
            "choices": [
                {
                    "name": lora.name,
                    "title": lora.title or lora.name,
                    "minimum": lora.lowest,
                    "maximum": lora.highest,
                    "default": lora.weight,
                    "trigger_words": list(lora.trigger_words),
                }
                for lora in self.choices
            ],
        }


Offered = NumberOffer | ChoiceOffer | LoraOffer


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """One entry of `[[models]]`. The model that `--model` names, or none, has no name and is the default.

    `fixed`: settings that the operator chose, which beat the job type's; `offer`: what a user may choose.
    `loras`: those that are always on. `job_types`: empty where the engine decides. `sizes`: (width, height)
    px by aspect ratio; empty where the job type's are used. `options`: keys of its engine alone.
    """

    name: str = ""
    title: str = ""
    engine: str = "sketch"
    weights: str = ""
    vae: str = ""
    loras: tuple[Lora, ...] = ()
    job_types: tuple[str, ...] = ()
    fixed: Mapping[str, Value] = field(default_factory=dict)
    offer: Mapping[str, Offered] = field(default_factory=dict)
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    licence_name: str = ""
    licence_url: str = ""
    picture: str = ""
    is_default: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def default_model(settings: EngineSettings) -> ModelSettings:
    """The one model of a worker whose file has no `[[models]]`: what `--model` names."""
    return ModelSettings(engine=settings.engine, weights=settings.model, is_default=True)


def settings_for(settings: EngineSettings, model: ModelSettings) -> EngineSettings:
    """The worker's settings, with those that the model has of its own in their place."""
    names = {each.name for each in fields(EngineSettings)}
    own = {name: value for name, value in model.options.items() if name in names}
    return replace(settings, **own, engine=model.engine, model=model.weights)


def body_of(model: ModelSettings, job_types: Sequence[str], digest: str) -> dict[str, Any]:
    """A model with a name, as a lease call says it. `digest`: of what it is made of."""
    return {
        "name": model.name,
        "title": model.title or model.name,
        "engine": model.engine,
        "job_types": list(job_types),
        "sizes": {aspect: list(size) for aspect, size in model.sizes.items()},
        "offer": {name: offered.body() for name, offered in model.offer.items()},
        "licence": {"name": model.licence_name, "url": model.licence_url},
        "digest": digest,
    }
