"""What a job was asked to be made with, in words for people: its model, LoRAs and settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generation.catalog.offers import LORAS, label_of
from generation.models import Job, Model


def model_titles(jobs: Iterable[Job]) -> dict[str, str]:
    """By name, of models that there are, also for those who may not use them; no query without a model."""
    names = {job.model for job in jobs} - {""}
    models = Model.objects.filter(name__in=names).only("name", "title", "advertised_title") if names else ()
    return {model.name: model.shown_title for model in models}


def setting_words(job: Job) -> list[tuple[str, str]]:
    """Label and value of what was chosen otherwise than usual; LoRAs last, each with its weight."""
    words = [(label_of(name), _text(value)) for name, value in job.settings.items() if name != LORAS]
    loras = job.parameters.get(LORAS, ())
    return words + [("LoRA", f"{each['name']} at {_text(each['weight'])}") for each in loras]


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
