"""What a model lets its users choose, and settings checked against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from generation.core.graphemes import cut

MAX_LORAS = 8  # of one job
LORAS = "loras"
Value = int | float | str | bool


def label_of(name: str) -> str:
    """The name of a setting for people: `clip_skip` is Clip skip."""
    return name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberOffer:
    """A number, both ends included."""

    minimum: float
    maximum: float
    default: float
    is_whole: bool

    def error(self, value: object) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        if is_number(value, whole=self.is_whole) and self.minimum <= value <= self.maximum:
            return ""
        return f"This is {kind} from {self.minimum:g} to {self.maximum:g}."

    def resolved(self, value: Any) -> object:
        """What the worker is told."""
        return value if self.is_whole else float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOffer:
    """One value of a list."""

    choices: Sequence[Value]
    default: Value

    def error(self, value: object) -> str:
        if any(self._same(value)):
            return ""
        return f"This is one of: {', '.join(map(str, self.choices))}."

    def resolved(self, value: Any) -> object:
        return next(each for each, same in zip(self.choices, self._same(value), strict=True) if same)

    def _same(self, value: object) -> list[bool]:
        """Whether it is each of the choices; in Python 1 is True too."""
        return [value == each and isinstance(value, bool) == isinstance(each, bool) for each in self.choices]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedLora:
    """A LoRA with the range of its weight, and the words that bring it out."""

    name: str
    title: str
    minimum: float
    maximum: float
    default: float
    trigger_words: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOffer:
    """LoRAs, each at most once, with a weight; without one its own default."""

    choices: Mapping[str, OfferedLora]

    @property
    def default(self) -> list[dict[str, object]]:
        return []

    def error(self, value: object) -> str:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return "This is a list of LoRAs, each with a name and a weight."
        if len(value) > MAX_LORAS:
            return f"At most {MAX_LORAS} LoRAs at once; these are {len(value)}."
        if found := next(filter(None, map(self._error_of, value)), ""):
            return found
        return "Each LoRA can be chosen once." if len({each["name"] for each in value}) < len(value) else ""

    def _error_of(self, chosen: object) -> str:
        if not isinstance(chosen, Mapping) or not {"name"} <= chosen.keys() <= {"name", "weight"}:
            return "A LoRA has a name and a weight."
        name = chosen["name"]
        lora = self.choices.get(name) if isinstance(name, str) else None
        if lora is None:
            return f"There is no LoRA “{cut(str(name), 60)}”, only {', '.join(self.choices)}."
        weight = chosen.get("weight", lora.default)
        if is_number(weight, whole=False) and lora.minimum <= weight <= lora.maximum:
            return ""
        return f"The weight of {lora.title} is a number from {lora.minimum:g} to {lora.maximum:g}."

    def resolved(self, value: Any) -> object:
        return [
            {
                "name": each["name"],
                "weight": float(each.get("weight", self.choices[each["name"]].default)),
            }
            for each in value
        ]


Offered = NumberOffer | ChoiceOffer | LoraOffer
Offer = Mapping[str, Offered]


def settings_errors(offer: Offer, settings: Mapping[str, Any]) -> dict[str, str]:
    """A message for each setting that cannot be used, by `settings.name`."""
    errors = {}
    for name, value in settings.items():
        offered = offer.get(name)
        if offered is None:
            known = ", ".join(offer) or "none"
            message = f"The model does not offer this setting; it offers: {known}."
        else:
            message = offered.error(value)
        if message:
            errors[f"settings.{cut(str(name), 40)}"] = message
    return errors


def resolved(offer: Offer, settings: Mapping[str, Any]) -> dict[str, object]:
    """The value of every setting on offer, chosen or default; of settings without errors."""
    return {name: offered.resolved(settings.get(name, offered.default)) for name, offered in offer.items()}


def is_number(value: object, *, whole: bool) -> TypeGuard[int | float]:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and -math.inf < value < math.inf
