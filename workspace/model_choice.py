"""The models that the composer offers, and what of them its script has to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.urls import reverse

from generation.access.models import usable_models
from generation.catalog.job_types import JOB_TYPES, JobType, pool_and_model
from generation.catalog.models import ServedModel
from generation.models import Model
from generation.queue.snapshot import Snapshot


@dataclass(frozen=True)
class ModelChoice:
    """A model that its reader may choose; `is_away`: no live worker has it now."""

    model: Model
    is_away: bool

    @cached_property
    def served(self) -> ServedModel:
        return self.model.served

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def title(self) -> str:
        return self.model.shown_title

    @property
    def picture(self) -> str:
        """The address of its picture; empty without one."""
        if not self.model.picture_version:
            return ""
        return f"{reverse('api:model-picture', args=[self.name])}?{self.model.picture_version}"

    def makes(self, job_type: JobType | None) -> bool:
        return job_type is None or job_type.name in self.served.job_types

    def references(self, job_type: str) -> list[str]:
        """What it can use reference images for, alone or with others."""
        known = self.served.reference_sets.get(job_type, ())
        usable = frozenset().union(*known)
        return [each for each in JOB_TYPES[job_type].references if each in usable]

    @property
    def shape(self) -> dict[str, Any]:
        """Its sizes, None where they are the job types', and what each job type takes as references."""
        sizes = {aspect: f"{width}×{height}" for aspect, (width, height) in self.served.sizes.items()}
        made = [name for name in self.served.job_types if name in JOB_TYPES]
        return {"sizes": sizes or None, "references": {name: self.references(name) for name in made}}


def choices_for(owner_id: int, snapshot: Snapshot) -> list[ModelChoice]:
    """By title; two queries more for any number of models, none more without any."""
    models = usable_models(owner_id)
    online = {pool_and_model(pool)[1] for pool in snapshot.served_pools} if models else set()
    choices = [ModelChoice(model, model.name not in online) for model in models]
    return sorted(choices, key=lambda each: (each.title.casefold(), each.name))


def named(choices: Iterable[ModelChoice], name: str) -> ModelChoice | None:
    return next((each for each in choices if each.name == name), None)


def outlines(choices: Iterable[ModelChoice]) -> dict[str, Any]:
    """For the composer's script. Most models of an engine are of one shape, which is there once for all."""
    models: dict[str, dict[str, Any]] = {}
    shapes: list[dict[str, Any]] = []
    for each in choices:
        shape = each.shape
        if shape not in shapes:
            shapes.append(shape)
        models[each.name] = {"title": each.title, "picture": each.picture, "shape": shapes.index(shape)}
    return {"models": models, "shapes": shapes}
