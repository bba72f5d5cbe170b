"""Which models a user may choose, and which one is used where none is named."""

from __future__ import annotations

from generation.catalog.job_types import JobType
from generation.catalog.models import ServedModel
from generation.catalog.submission import Submission
from generation.models import Model


def usable_models(owner_id: int) -> list[Model]:
    """By name, with what their workers offer; two queries for any number of models."""
    return list(Model.objects.usable_by(owner_id))


def served_model(owner_id: int, name: str) -> ServedModel | None:
    """The model of this name; None where there is none, or none for this user."""
    found = Model.objects.usable_by(owner_id).filter(name=name) if name else ()
    return next((model.served for model in found), None)


def default_model(owner_id: int, asked: Submission, job_type: JobType) -> ServedModel | None:
    """The operator's default for this job type; None without one, and where it cannot do what is asked."""
    wanted = Model.objects.usable_by(owner_id).exclude(default_for=[])
    model = next((model.served for model in wanted if job_type.name in model.default_for), None)
    types = [reference.type for reference in asked.references]
    fits = model and not model.errors(job_type, aspect=asked.aspect, settings={}, references=types)
    return model if fits else None
