"""Which models a user may choose, and which one is used where none is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import BinaryIO

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef

from generation.catalog.job_types import JobType
from generation.catalog.models import MODEL_NAME, ServedModel
from generation.catalog.submission import Submission
from generation.core.errors import DomainError, NotFound
from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.models import Job, Model
from generation.models.model import ModelQuerySet
from generation.models.preview import VERSION_LENGTH

MAX_SHOWN = 200


class UnusablePicture(DomainError):
    """The bytes are no image that can be shown."""

    code = "unusable_picture"


def usable_models(owner_id: int) -> list[Model]:
    """By name, with what their workers offer; two queries for any number of models."""
    return list(Model.objects.usable_by(owner_id))


def models_seen_by(owner_id: int) -> list[Model]:
    """Those that the user may choose, by name, also where no worker has one any more; one query."""
    known = Model.objects.open_to(owner_id).filter(is_hidden=False)
    known = known.only("name", "title", "advertised_title")
    return list(known.order_by("name")[:MAX_SHOWN])


def served_model(owner_id: int, name: str) -> ServedModel | None:
    """The model of this name; None where there is none, or none for this user."""
    return next((model.served for model in _named(owner_id, name)), None)


def _named(owner_id: int, name: str) -> ModelQuerySet:
    """None for what is no name, which a file or an address may hold: databases refuse some characters."""
    usable = Model.objects.usable_by(owner_id)
    return usable.filter(name=name) if MODEL_NAME.fullmatch(name) else usable.none()


def default_model(owner_id: int, asked: Submission, job_type: JobType) -> ServedModel | None:
    """The operator's default for this job type; None without one, and where it cannot do what is asked."""
    wanted = Model.objects.usable_by(owner_id).exclude(default_for=[])
    model = next((model.served for model in wanted if job_type.name in model.default_for), None)
    types = [reference.type for reference in asked.references]
    fits = model and not model.errors(job_type, aspect=asked.aspect, settings={}, references=types)
    return model if fits else None


def unavailable_because(job: Job) -> str:
    """Why the job's model cannot make what it made at the job's submission; empty where it can."""
    if not job.model:
        return ""
    model = served_model(job.owner_id, job.model)
    if model is None:
        return f"Its model “{job.model}” is not there any more."
    if job.model_digest and model.digest and job.model_digest != model.digest:
        return f"{model.title} has changed since it was submitted, so that it would come out differently."
    return ""


def picture_of(owner_id: int, name: str) -> bytes:
    """The picture of a model that the user may choose, as WebP. Raises NotFound."""
    shown = _named(owner_id, name).exclude(picture_version="")
    for picture in shown.values_list("picture", flat=True):
        return bytes(picture)
    raise NotFound("picture")


def set_default_for(model: Model) -> dict[str, list[str]]:
    """Take the model's job types from the others that were used for them; which lost which, by name."""
    lost = {}
    for other in Model.objects.exclude(pk=model.pk).exclude(default_for=[]).only("name", "default_for"):
        if taken := [name for name in other.default_for if name in model.default_for]:
            lost[other.name] = taken
            other.default_for = [name for name in other.default_for if name not in taken]
            other.save(update_fields=["default_for"])
    return lost


def hide_models_of(groups: Iterable[Group]) -> list[str]:
    """Before these groups are deleted: hide the models that are for them alone; their names.

    A model without any group is for everybody.
    """
    going = [group.pk for group in groups]
    others = Group.objects.exclude(pk__in=going).filter(models=OuterRef("pk"))
    closed = Model.objects.filter(groups__in=going).exclude(Exists(others)).distinct()
    names = dict(closed.values_list("pk", "name"))
    Model.objects.filter(pk__in=names).update(is_hidden=True)
    return sorted(names.values())


def set_picture(model: Model, content: BinaryIO | None) -> None:
    """Give the unsaved changes of the model a small picture of this image; None takes it away.

    Raises:
        UnusablePicture: not a whole PNG, JPEG or WebP.
        TooManyDecodes, DecoderUnavailable: nothing can be decoded now.
    """
    try:
        picture = measure(content, media="image", caller="operator").thumbnail if content else b""
    except BrokenMedia as broken:
        raise UnusablePicture(broken.message) from None
    model.picture = picture
    model.picture_version = hashlib.sha256(picture).hexdigest()[:VERSION_LENGTH] if picture else ""
