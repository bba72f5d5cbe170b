"""The composer form: its initial values, its submission, and what the session remembers of it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, QueryDict

from generation.access.projects import BadProjectName, create_project, project_named
from generation.assets.references import references_from_images
from generation.catalog.prompts import literal
from generation.catalog.submission import InvalidSubmission, Submission
from generation.core.actors import Actor
from generation.core.errors import DomainError
from generation.jobs import listing as job_listing
from generation.jobs.submit import submit_all
from generation.models import Job, Project
from workspace import job_type_choice
from workspace.forms import DEFAULTS, ComposerForm, new_form_key
from workspace.model_recall import recalled_model, settings_of
from workspace.presets import preset_for
from workspace.references import add_image, existing_rows, rows_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SESSION_KEY = "composer"
REMEMBERED_FIELDS = (
    "prompt",
    "one_per_line",
    "media",
    "quality",
    "quantity",
    "aspect",
    "negative_prompt",
    "seed",
    "engine",
    "enhance",
    "project",
    "review",
    "within",
    "model",
)


def submit_form(owner: User, actor: Actor, form: ComposerForm) -> list[Job]:
    """Submit a valid form as a job for each prompt, all or none; none with the error on its field if refused.

    The idempotency key covers the content too: sent twice it is the same jobs, changed and sent again others.
    """
    submissions, key = form.submissions, form.cleaned_data["key"]
    try:
        references = references_from_images(owner_id=owner.pk, actor=actor, inputs=submissions[0].references)
        with transaction.atomic():
            changed: dict[str, Any] = {"references": references}
            if name := form.cleaned_data["new_project"]:
                changed["project_id"] = _project_named(owner.pk, actor, name).pk
            submissions = [replace(each, **changed) for each in submissions]
            return submit_all(
                owner_id=owner.pk,
                actor=actor,
                submissions=submissions,
                idempotency_key=key and f"{key}:{_digest(submissions)[:16]}",
            )
    except BadProjectName as refused:
        form.add_error("new_project", refused.message)
    except InvalidSubmission as refused:
        form.add_errors(refused.errors)
    except DomainError as refused:
        form.add_error(None, refused.message)
    return []


def _digest(submissions: list[Submission]) -> str:
    digests = [each.digest() for each in submissions]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _project_named(owner_id: int, actor: Actor, name: str) -> Project:
    return project_named(owner_id, name) or create_project(owner_id=owner_id, actor=actor, name=name)


def remember(request: HttpRequest, form: ComposerForm, job: Job) -> None:
    """Store the submitted values in the session: the next job is mostly a variation of this one."""
    values: dict[str, Any] = {name: value for name in REMEMBERED_FIELDS if (value := form.data.get(name, ""))}
    if form.cleaned_data["new_project"]:
        values["project"] = str(job.project_id)
    values["settings"] = dict(form.submissions[0].settings)
    values["references"] = [(row.source, row.type, row.strength) for row in rows_of(job)]
    request.session[SESSION_KEY] = values


def initial(request: HttpRequest, owner: User) -> dict[str, Any]:
    """The initial values: those of a job to use again, or an example's prompt, or the last submitted ones.

    `?image=` adds an image of the owner's as a reference, `?preset=` replaces what the preset holds,
    `?prompt_of=` takes the prompt alone.
    """
    known: dict[str, Any] = DEFAULTS | request.session.get(SESSION_KEY, {})
    query = request.GET
    if model := query.get("model", ""):
        known |= {"model": model, "settings": {}}
    if job := _named_job(owner, query, "from"):
        known = from_job(job, query.get("seed", ""))
        known |= _without_what_is_gone(request, owner, known)
        if any(used.reference_id is None for used in job.sorted_references):
            messages.error(
                request, "A reference image of that job was removed. Everything else is in the form."
            )
    else:
        known["references"] = existing_rows(owner.pk, known.get("references", ()))
        known |= _asked(owner, query)
    if image_id := _named_id(query, "image"):
        known |= _with_reference(owner, image_id, known)
    return known | {"key": new_form_key()}


def _without_what_is_gone(request: HttpRequest, owner: User, known: dict[str, Any]) -> dict[str, Any]:
    """Of `from_job`: the model and the settings that are still there; of the others the reader is told."""
    digest = known.pop("model_digest")
    found, sentences = recalled_model(owner.pk, known["model"], known["settings"], digest)
    for sentence in sentences:
        messages.error(request, sentence)
    return found


def initial_of_posted(request: HttpRequest) -> dict[str, Any]:
    """The values of a posted composer, to be shown again as they were."""
    posted = ComposerForm(cast("User", request.user), request.POST)
    return {name: posted[name].value() for name in posted.fields} | {"key": new_form_key()}


def _asked(owner: User, query: QueryDict) -> dict[str, Any]:
    if preset_id := _named_id(query, "preset"):
        usable = preset_for(owner.pk, preset_id)
        return usable.initial if usable else {}
    if job := _named_job(owner, query, "prompt_of"):
        return {"prompt": job_listing.typed_prompt(job), "one_per_line": False}
    return {"prompt": prompt} if (prompt := query.get("prompt", "")) else {}


def _named_job(owner: User, query: QueryDict, name: str) -> Job | None:
    job_id = _named_id(query, name)
    return (
        next(iter(job_listing.jobs_with_slots(owner_id=owner.pk, job_ids=[job_id])), None) if job_id else None
    )


def _named_id(query: QueryDict, name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(query.get(name, ""))
    except ValueError:
        return None


def _with_reference(owner: User, image_id: uuid.UUID, known: dict[str, Any]) -> dict[str, Any]:
    """The values to change so that this image can be used as a reference."""
    defaults: dict[str, Any] = {"engine": "", "enhance": False}
    for own in ({}, defaults):
        asked = {name: (known | own).get(name, "") for name in ("media", "quality", "engine")}
        job_type = job_type_choice.choose(**asked, enhance=bool((known | own).get("enhance")))
        if job_type and job_type.references:
            rows = add_image(known["references"], owner_id=owner.pk, image_id=image_id, job_type=job_type)
            return own | {"references": rows}
    return {}


def from_job(job: Job, seed: str) -> dict[str, Any]:
    """The values this job was submitted with. With a seed, for that one result alone."""
    job_type = job.type
    usual = "wan" if job_type.enhanced or job.media == "video" else "sdxl"
    automatic = job.is_import or job_type.engine == usual
    return {
        "prompt": literal(job.prompt),
        "one_per_line": False,
        "negative_prompt": job.negative_prompt,
        "media": job.media,
        "quality": job_type.quality,
        "engine": "" if automatic else job_type.engine,
        "enhance": job_type.enhanced,
        "quantity": 1 if seed else job.quantity,
        "seed": seed if seed.isdecimal() else "" if job.seed is None else job.seed,
        "aspect": "" if job.aspect == job_type.default_aspect else job.aspect,
        "project": "" if job.project.is_default else str(job.project_id),
        "review": job.review,
        "references": rows_of(job),
        "model": job.model,
        "model_digest": job.model_digest,
        "settings": settings_of(job),
    }
