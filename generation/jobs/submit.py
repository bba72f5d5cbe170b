"""Submission: one job and all its asset rows, in one transaction."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import IntegrityError, transaction

from generation.access import quotas
from generation.access.projects import default_project, find_project
from generation.assets import references
from generation.catalog.job_types import JobType
from generation.catalog.submission import MAX_SEED, InvalidSubmission, Submission
from generation.changes import publisher, revisions
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import IdempotencyKeyReused
from generation.core.limits import IDEMPOTENCY_KEY_LENGTH
from generation.core.text import search_key
from generation.models import Asset, Job, Project
from generation.queue import fairness


def submit(*, owner_id: int, actor: Actor, submission: Submission, idempotency_key: str = "") -> Job:
    """Queue the job with one row for each expected result.

    The same key with the same submission answers with the job that the first call made.

    Raises:
        InvalidSubmission: a field cannot be used; nothing was written.
        IdempotencyKeyReused: the key came with another submission before.
        OverLimit: the owner has as much work waiting and running as is allowed.
        OverReferenceQuota: there is no room for a copy of an image as a reference.
    """
    job_type = submission.check()
    _check_key(idempotency_key)
    if idempotency_key and (known := _known(owner_id, idempotency_key, submission)):
        return known
    inputs = references.references_from_images(owner_id=owner_id, actor=actor, inputs=submission.references)
    try:
        with transaction.atomic():
            job = _write(owner_id, actor, submission, job_type, idempotency_key)
            references.attach(job, inputs)
            return job
    except (IntegrityError, quotas.OverLimit):
        if idempotency_key and (known := _known(owner_id, idempotency_key, submission)):
            return known  # its twin committed first
        raise


def _check_key(key: str) -> None:
    if len(key) > IDEMPOTENCY_KEY_LENGTH or not key.isprintable():
        message = f"An idempotency key has at most {IDEMPOTENCY_KEY_LENGTH} printable characters."
        raise InvalidSubmission({"idempotency_key": message})


def _known(owner_id: int, key: str, submission: Submission) -> Job | None:
    job = Job.objects.of(owner_id).filter(idempotency_key=key).first()
    if job and job.request_digest != submission.digest():
        raise IdempotencyKeyReused
    return job


def _write(owner_id: int, actor: Actor, submission: Submission, job_type: JobType, key: str) -> Job:
    quantity = submission.quantity or job_type.quantities[0]
    revision = revisions.take(owner_id=owner_id, count=1 + quantity)
    project = _project(owner_id, submission.project_id)  # under the counter's lock: not deleted meanwhile
    quotas.check(owner_id)
    job = _job(owner_id, project, submission, job_type, quantity)
    job.idempotency_key, job.request_digest = key, submission.digest()
    job.fair_tag = fairness.start_tag(job, cost=job_type.estimate(quantity))
    job.held_at = revisions.queue_paused_at(owner_id)
    job.revision = next(revision)
    job.save(force_insert=True)
    assets = _assets(job, list(revision))
    Asset.objects.bulk_create(assets)
    ids = {"job": str(job.pk), "owner": owner_id}
    audit_log.after_commit("job.submitted", actor=actor, job_type=job.job_type, slots=quantity, **ids)
    publisher.changed(owner_id=owner_id, revision=assets[-1].revision, job_ids=[job.pk])
    publisher.queued(engine=job.engine)
    return job


def _project(owner_id: int, project_id: uuid.UUID | None) -> Project:
    if project_id is None:
        return default_project(owner_id)
    if project := find_project(owner_id=owner_id, project_id=project_id):
        return project
    raise InvalidSubmission({"project": "You have no such project."})


def _job(owner_id: int, project: Project, asked: Submission, job_type: JobType, quantity: int) -> Job:
    aspect = asked.aspect or job_type.default_aspect
    width, height = job_type.sizes[aspect]
    return Job(
        owner_id=owner_id,
        project=project,
        job_type=job_type.name,
        engine=job_type.engine,
        media=job_type.media,
        prompt=asked.prompt.strip(),
        negative_prompt=asked.negative_prompt.strip(),
        quantity=quantity,
        seed=asked.seed,
        aspect=aspect,
        width=width,
        height=height,
        parameters=job_type.parameters(aspect),
        review=asked.review,
        pool=job_type.pool(reference.type for reference in asked.references),
        attempts_left=settings.MAX_ATTEMPTS,
        deadline_at=asked.deadline_at(),
    )


def _assets(job: Job, revision: list[int]) -> list[Asset]:
    """One unsaved row for each slot; slot i is asked for seed + i, so that each can be repeated alone."""
    search_text = search_key(job.prompt)
    first_seed = secrets.randbelow(MAX_SEED + 1) if job.seed is None else job.seed
    assets = []
    for slot in range(job.quantity):
        asset = Asset(media=job.media, image_index=_image_index(job, slot))
        asset.job, asset.owner_id, asset.project_id = job, job.owner_id, job.project_id
        asset.prompt, asset.search_text = job.prompt, search_text
        asset.seed = (first_seed + slot) % (MAX_SEED + 1)
        asset.revision = revision[slot]
        assets.append(asset)
    return assets


def _image_index(job: Job, slot: int) -> int | None:
    return slot if job.engine == "sdxl" else None
