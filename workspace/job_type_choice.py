"""Choosing a job type by the composer's fields: media, quality, engine, enhance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from django.forms import BaseForm

from generation.catalog.job_types import Engine, JobType, Media, find

QUALITIES = (("fast", "Fast"), ("high", "High"))
ENGINES = (("", "Automatic"), *Engine.choices)


def choose(*, media: str, quality: str, engine: str, enhance: bool) -> JobType | None:
    """The matching job type. No engine means SDXL for images; only WAN makes videos and enhances prompts."""
    automatic = Engine.WAN if enhance or media == Media.VIDEO else Engine.SDXL
    return find(engine=engine or automatic, media=media, quality=quality, enhanced=enhance)


def refusal(*, media: str, enhance: bool) -> tuple[str, str]:
    """The field with the error and its message, if `choose` finds no job type."""
    if media == Media.VIDEO:
        return "engine", "SDXL makes images. Choose WAN or Automatic for a video."
    if enhance:
        return "enhance", "SDXL does not enhance prompts. Choose WAN or Automatic, or switch this off."
    return "quality", "No job type makes this. Choose another quality or engine."


def combinations() -> dict[str, dict[str, Any]]:
    """For the composer's script: the job type of each valid `media|quality|engine|enhance`, and all types."""
    chosen, types = {}, {}
    for media, (quality, _), (engine, _), enhance in product(Media.values, QUALITIES, ENGINES, (False, True)):
        job_type = choose(media=media, quality=quality, engine=engine, enhance=enhance)
        if job_type:
            chosen[f"{media}|{quality}|{engine}|{'on' if enhance else ''}"] = job_type.name
            types[job_type.name] = _outline(job_type)
    return {"chosen": chosen, "types": types}


Times = Mapping[str, Mapping[int, str]]


def with_times(form: BaseForm, name: str, times: Times) -> list[tuple[str, str, str]]:
    """The choices of the field `name`: value, label, and how long it takes beside what else is chosen."""
    known = {each: form[each].value() or "" for each in ("media", "quality", "engine")}
    field: Any = form.fields[name]
    choices = []
    for value, label in field.choices:
        job_type = choose(**(known | {name: value}), enhance=bool(form["enhance"].value()))
        words = times[job_type.name] if job_type else {}
        quantity = str(form["quantity"].value())
        takes = next((each for count, each in words.items() if str(count) == quantity), None)
        choices.append((value, label, takes or next(iter(words.values()), "")))
    return choices


def _outline(job_type: JobType) -> dict[str, object]:
    return {
        "name": job_type.name,
        "title": job_type.title,
        "references": list(job_type.references),
        "enhanced": job_type.enhanced,
        "sizes": {aspect: f"{width}×{height}" for aspect, (width, height) in job_type.sizes.items()},
        "quantities": list(job_type.quantities),
    }
