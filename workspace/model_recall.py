"""A job's model and settings brought back: what of them is still there, and sentences for what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generation.access.models import served_model
from generation.catalog.models import ServedModel
from generation.catalog.offers import LORAS, LoraOffer, label_of, settings_errors
from generation.core.graphemes import cut
from generation.media.parameters.found import OURS, Parameters
from generation.models import Job

MAX_SHOWN = 60  # characters of what a file says


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
        words = f"Model: {name} – it is not here any more, so the model is chosen automatically."
        return {"model": "", "settings": {}}, [words]
    usable, sentences = _usable(model, settings)
    if digest and model.digest and digest != model.digest:
        sentences.insert(0, f"Model: {model.title} – it has changed since, so it may come out differently.")
    return {"model": name, "settings": usable}, sentences


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


def model_of_file(owner_id: int, found: Parameters) -> dict[str, Any]:
    """The form's values for what a file of ours says of its model; empty where that is not here."""
    said = dict(found.others)
    name = said.get("Model", "") if found.source == OURS else ""
    model = served_model(owner_id, name)
    if model is None:
        return {}
    settings: dict[str, Any] = {}
    for setting, label in (("steps", "Steps"), ("guidance", "CFG scale")):
        if setting in model.offer and (number := _number(said.get(label, ""))) is not None:
            settings[setting] = number
    if loras := [_lora(value) for label, value in found.others if label == "LoRA"]:
        settings[LORAS] = loras
    return {"model": name, "settings": _usable(model, settings)[0]}


def _lora(value: str) -> dict[str, Any]:
    name, _, weight = value.partition(" at ")
    number = _number(weight)
    return {"name": name} if number is None else {"name": name, "weight": number}


def _number(text: str) -> int | float | None:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None
