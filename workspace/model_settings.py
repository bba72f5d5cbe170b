"""A model's settings as controls of the composer: `settings:steps`, `settings:loras:film-grain` with
`settings:loras:film-grain:weight`, and `settings_of`, the model that they are of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generation.catalog.offers import (
    LORAS,
    ChoiceOffer,
    LoraOffer,
    NumberOffer,
    Offer,
    Offered,
    OfferedLora,
    label_of,
)
from generation.catalog.prompts import literal

OF, PREFIX, WEIGHT = "settings_of", "settings:", ":weight"
LORA = f"{PREFIX}{LORAS}:"
STEPS_OF_A_RANGE = 100
LEAST_RANGE = 1e-9  # a narrower one has no round steps


def label(name: str) -> str:
    """A setting's name for people."""
    return "LoRAs" if name == LORAS else label_of(name)


@dataclass(frozen=True, slots=True)
class PostedSettings:
    """Of the model `of`: the controls' texts by their names."""

    of: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


def posted(data: Mapping[str, Any]) -> PostedSettings:
    """What a form that was sent says of them."""
    texts = {name: str(data[name]) for name in data if name.startswith(PREFIX)}
    return PostedSettings(str(data.get(OF, "")), texts)


def chosen(offer: Offer, sent: PostedSettings) -> dict[str, Any]:
    """The settings that differ from their defaults. What cannot be read stays a text, which is refused."""
    found: dict[str, Any] = {}
    for name, offered in offer.items():
        if isinstance(offered, LoraOffer):
            loras = _loras(offered, sent.texts)
            found |= {name: loras} if loras else {}
            continue
        value = _read(offered, sent.texts.get(f"{PREFIX}{name}", "").strip())
        if value is not None and (value != offered.default or isinstance(value, bool)):
            found[name] = value
    strange = {name.removeprefix(PREFIX).split(":")[0]: text for name, text in sent.texts.items()}
    return found | {name: text for name, text in strange.items() if name not in offer}


def _loras(offered: LoraOffer, texts: Mapping[str, str]) -> list[dict[str, object]]:
    """In the order of the offer; those that are none of it last, to be refused."""
    taken = [
        name.removeprefix(LORA)
        for name, text in texts.items()
        if name.startswith(LORA) and not name.endswith(WEIGHT) and text
    ]
    known = [_weighted(lora, texts) for lora in offered.choices.values() if lora.name in taken]
    strange: list[dict[str, object]] = [{"name": name} for name in taken if name not in offered.choices]
    return known + strange


def _weighted(lora: OfferedLora, texts: Mapping[str, str]) -> dict[str, object]:
    text = texts.get(f"{LORA}{lora.name}{WEIGHT}", "").strip()
    return {"name": lora.name, "weight": _number(text) if text else lora.default}


def _read(offered: NumberOffer | ChoiceOffer, text: str) -> Any:
    """The value of a control; None for one that is empty, which means the default."""
    if not text:
        return None
    if isinstance(offered, NumberOffer):
        return _number(text)
    return next((choice for choice in offered.choices if _text(choice) == text), text)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def values_of(model: str, settings: Mapping[str, Any]) -> dict[str, str | bool]:
    """The settings by the names of their controls, for a script that fills in the composer."""
    if not model:
        return {}
    values: dict[str, str | bool] = {OF: model}
    for name, value in settings.items():
        if name != LORAS:
            values[f"{PREFIX}{name}"] = _text(value)
            continue
        for lora in value:
            values[f"{LORA}{lora['name']}"] = True
            if "weight" in lora:
                values[f"{LORA}{lora['name']}{WEIGHT}"] = _text(lora["weight"])
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One setting for the template. `kind` is number, choice or loras; `step` is of a number."""

    name: str
    label: str
    kind: str
    offered: Offered
    value: str = ""
    loras: Sequence[LoraControl] = ()

    @property
    def default(self) -> str:
        return _text(self.offered.default)

    @property
    def choices(self) -> list[str]:
        return [_text(each) for each in self.offered.choices] if isinstance(self.offered, ChoiceOffer) else []

    @property
    def minimum(self) -> str:
        return _text(self.offered.minimum) if isinstance(self.offered, NumberOffer) else ""

    @property
    def maximum(self) -> str:
        return _text(self.offered.maximum) if isinstance(self.offered, NumberOffer) else ""

    @property
    def step(self) -> str:
        if not isinstance(self.offered, NumberOffer) or self.offered.is_whole:
            return "1"
        return _step(self.offered.minimum, self.offered.maximum)


@dataclass(frozen=True, slots=True)
class LoraControl:
    """A LoRA that can be chosen, with its weight as text."""

    lora: OfferedLora
    is_chosen: bool
    weight: str

    @property
    def name(self) -> str:
        return f"{LORA}{self.lora.name}"

    @property
    def default(self) -> str:
        return _text(self.lora.default)

    @property
    def minimum(self) -> str:
        return _text(self.lora.minimum)

    @property
    def maximum(self) -> str:
        return _text(self.lora.maximum)

    @property
    def step(self) -> str:
        return _step(self.lora.minimum, self.lora.maximum)

    @property
    def words(self) -> list[tuple[str, str]]:
        """Each trigger word, and what of it means itself in the composer."""
        return [(word, literal(word)) for word in self.lora.trigger_words]


def controls(offer: Offer, value: PostedSettings | Mapping[str, Any] | None) -> list[Control]:
    """The controls with what was posted, or with these settings; LoRAs last."""
    texts = value.texts if isinstance(value, PostedSettings) else values_of("-", value or {})
    ordered = sorted(offer.items(), key=lambda item: item[0] == LORAS)
    return [_control(name, offered, texts) for name, offered in ordered]


def _control(name: str, offered: Offered, texts: Mapping[str, str | bool]) -> Control:
    if isinstance(offered, LoraOffer):
        loras = [_lora_control(lora, texts) for lora in offered.choices.values()]
        return Control(name=name, label="LoRAs", kind="loras", offered=offered, loras=loras)
    text = texts.get(f"{PREFIX}{name}", "") or _text(offered.default)
    kind = "number" if isinstance(offered, NumberOffer) else "choice"
    return Control(name=f"{PREFIX}{name}", label=label(name), kind=kind, offered=offered, value=str(text))


def _lora_control(lora: OfferedLora, texts: Mapping[str, str | bool]) -> LoraControl:
    weight = texts.get(f"{LORA}{lora.name}{WEIGHT}", "") or _text(lora.default)
    return LoraControl(lora, bool(texts.get(f"{LORA}{lora.name}")), str(weight))


def _step(low: float, high: float) -> str:
    """A round step, of which the range has about a hundred."""
    if high - low < LEAST_RANGE:
        return "any"
    rough = (high - low) / STEPS_OF_A_RANGE
    power = 10.0 ** math.floor(math.log10(rough))
    return _text(next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999))


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
