"""A job's model and settings brought back: what of them is still there, and sentences for what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.access.models import models_seen_by, served_model
from generation.catalog.models import ServedModel
from generation.catalog.offers import LORAS, ChoiceOffer, LoraOffer, NumberOffer, label_of, settings_errors
from generation.core.graphemes import cut
from generation.media.parameters.found import OURS, Parameters, value_text
from generation.models import Job

MAX_SHOWN = 60  # characters of what a file says
LORA = "LoRA"
# The settings that our workers write into files by another name than people read here.
LABELS = {
    "guidance": "CFG scale",
    "guidance_2": "CFG scale 2",
    "guidance_rescale": "CFG Rescale",
    "spacing": "Schedule spacing",
}


def settings_of(job: Job) -> dict[str, Any]:
    """What was chosen, LoRAs with the weights that they had."""
    told = job.parameters.get(LORAS)
    return {**job.settings, LORAS: told} if told and job.settings.get(LORAS) else dict(job.settings)


def recalled_model(
    owner_id: int, name: str, settings: Mapping[str, Any], digest: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The form's values for `model` and `settings`, without what cannot be used any more."""
    if not name:
        return {"model": "", "settings": {}}, []
    model = served_model(owner_id, name)
    if model is None:
        return {"model": "", "settings": {}}, [_gone(name)]
    usable, sentences = _usable(model, settings)
    if digest and model.digest and digest != model.digest:
        sentences.insert(0, f"Model: {model.title} – it has changed since, so it may come out differently.")
    return {"model": name, "settings": usable}, sentences


def _gone(name: str) -> str:
    return f"Model: {cut(name, MAX_SHOWN)} – it is not here any more, so the model is chosen automatically."


def _usable(model: ServedModel, settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    wrong = settings_errors(model.offer, settings)
    usable = {name: value for name, value in settings.items() if f"settings.{name}" not in wrong}
    sentences = []
    for name in settings.keys() - usable.keys():
        value = settings[name]
        if name == LORAS and isinstance(offered := model.offer.get(LORAS), LoraOffer):
            usable[name] = [each for each in value if not offered.error([each])]
            gone = ", ".join(str(each.get("name")) for each in value if offered.error([each]))
            sentences.append(f"LoRA: {cut(gone, MAX_SHOWN)} – {model.title} does not have it so any more.")
        else:
            sentences.append(f"{label_of(name)}: {cut(str(value), MAX_SHOWN)} – {wrong[f'settings.{name}']}")
    return usable, sorted(sentences)


@dataclass(frozen=True, slots=True)
class FromFile:
    """The form's values for a file's model, a sentence for what is not used of it, and the file's names for
    what that is about.
    """

    values: dict[str, Any] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    names: frozenset[str] = frozenset()


def model_of_file(owner_id: int, found: Parameters) -> FromFile:
    """What a file of ours says of its model. Without a model, the weights of a worker stand in its place."""
    said = dict(found.others)
    name = said.get("Model", "") if found.source == OURS else ""
    model = served_model(owner_id, name)
    if model is None:
        known = bool(name) and any(each.name == name for each in models_seen_by(owner_id))
        return FromFile(unused=[_gone(name)] if known else [])
    settings: dict[str, Any] = {}
    names = set()
    for setting, offered in model.offer.items():
        wanted = LABELS.get(setting, label_of(setting)).casefold()  # FPS, or Fps
        label = next((each for each in said if each.casefold() == wanted), "")
        if label and not isinstance(offered, LoraOffer):
            settings[setting] = _value(offered, said[label])
            names.add(label)
    loras = [_lora(value) for label, value in found.others if label == LORA]
    choosable = model.offer.get(LORAS)
    choices = choosable.choices if isinstance(choosable, LoraOffer) else {}
    sentences = [
        f"LoRA: {cut(each['name'], MAX_SHOWN)} – {model.title} leaves no choice of it."
        for each in loras
        if each["name"] not in choices
    ]
    if chosen := [each for each in loras if each["name"] in choices]:
        settings[LORAS] = chosen
    usable, more = _usable(model, settings)
    values = {"model": name, "settings": usable}
    return FromFile(values, sentences + more, frozenset({*names, LORA}))


def _lora(value: str) -> dict[str, Any]:
    name, _, weight = value.partition(" at ")
    number = _number(weight)
    return {"name": name} if number is None else {"name": name, "weight": number}


def _value(offered: NumberOffer | ChoiceOffer, text: str) -> Any:
    """What the file's text means; the text itself where it means nothing, which is refused then."""
    if isinstance(offered, ChoiceOffer):
        return next((each for each in offered.choices if value_text(str(each)) == text), text)
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None
