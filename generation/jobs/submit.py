"""Submission: one job and all its asset rows, in one transaction; or one for each of several prompts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from django.conf import settings
from django.db import IntegrityError, transaction

from generation.access import quotas
from generation.access.models import default_model, served_model
from generation.access.projects import chosen_project
from generation.assets import references
from generation.catalog.job_types import JobType
from generation.catalog.models import ServedModel
from generation.catalog.submission import MAX_SEED, InvalidSubmission, Submission
from generation.changes import publisher, revisions
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.errors import IdempotencyKeyReused
from generation.core.limits import IDEMPOTENCY_KEY_LENGTH
from generation.core.text import search_key
from generation.models import Asset, Job, Project
from generation.queue import fairness


def submit(
    *,
    owner_id: int,
    actor: Actor,
    submission: Submission,
    idempotency_key: str = "",
    use_default_model: bool = True,
) -> Job:
    """Queue the job with one row for each expected result.

    The same key with the same submission answers with the job that the first call made. Where no model is
    named, the operator's default for the job type is used, if it can do what is asked.

    Raises:
        InvalidSubmission: a field cannot be used; nothing was written.
        IdempotencyKeyReused: the key came with another submission before.
        OverLimit: the owner has as much work waiting and running as is allowed.
        OverReferenceQuota: there is no room for a copy of an image as a reference.
    """
    [job] = submit_all(
        owner_id=owner_id,
        actor=actor,
        submissions=[submission],
        idempotency_key=idempotency_key,
        use_default_model=use_default_model,
    )
    return job


def submit_all(
    *,
    owner_id: int,
    actor: Actor,
    submissions: Sequence[Submission],
    idempotency_key: str = "",
    use_default_model: bool = True,
) -> list[Job]:
    """Queue a job for each submission, all or none; they differ in their prompts alone.

    One key covers all of them. Raises what `submit` raises.
    """
    _check_key(idempotency_key)
    keyed = _Keyed(owner_id, submissions, idempotency_key)
    if known := keyed.known():
        return known  # whatever became of its model since
    model = served_model(owner_id, submissions[0].model)
    for submission in submissions:
        job_type = submission.check(model)
    if not submission.model and use_default_model:
        model = default_model(owner_id, submission, job_type)
    inputs = references.references_from_images(
        owner_id=owner_id, actor=actor, inputs=submissions[0].references
    )
    try:
        with transaction.atomic():
            jobs = _write(actor, keyed, job_type, model)
            references.attach(jobs, inputs)
            return jobs
    except (IntegrityError, quotas.OverLimit):
        if known := keyed.known():
            return known  # its twin committed first
        raise


@dataclass(frozen=True, slots=True)
class _Keyed:
    """An owner's submissions and their idempotency key."""

    owner_id: int
    submissions: Sequence[Submission]
    key: str

    @property
    def keys(self) -> list[str]:
        """Of each job: the key itself for a single one."""
        if not self.key or len(self.submissions) == 1:
            return [self.key] * len(self.submissions)
        return [f"{self.key}:{number}" for number in range(len(self.submissions))]

    def known(self) -> list[Job]:
        """The jobs that the first call made, as far as they are still there."""
        if not self.key:
            return []
        digests = {key: each.digest() for key, each in zip(self.keys, self.submissions, strict=True)}
        jobs = list(Job.objects.of(self.owner_id).filter(idempotency_key__in=self.keys).order_by("id"))
        if any(job.request_digest != digests[job.idempotency_key] for job in jobs):
            raise IdempotencyKeyReused
        return jobs


def _check_key(key: str) -> None:
    if len(key) > IDEMPOTENCY_KEY_LENGTH or not key.isprintable():
        message = f"An idempotency key has at most {IDEMPOTENCY_KEY_LENGTH} printable characters."
        raise InvalidSubmission({"idempotency_key": message})


def _write(actor: Actor, keyed: _Keyed, job_type: JobType, model: ServedModel | None) -> list[Job]:
    """The rows of each job and its assets, in a number of queries that does not grow with them."""
    owner_id, submissions = keyed.owner_id, keyed.submissions
    quantity = submissions[0].quantity or job_type.quantities[0]
    revision = revisions.take(owner_id=owner_id, count=(1 + quantity) * len(submissions))
    # Under the counter's lock: the project is not deleted meanwhile, nor the queue paused.
    project, held_at = (
        chosen_project(owner_id, submissions[0].project_id),
        revisions.queue_paused_at(owner_id),
    )
    quotas.check(owner_id, more=len(submissions))
    jobs: list[Job] = []
    assets: list[Asset] = []
    tag, cost = 0, job_type.estimate(quantity)
    for submission, key in zip(submissions, keyed.keys, strict=True):
        job = _job(owner_id, project, submission, job_type, quantity, model)
        job.idempotency_key, job.request_digest = key, submission.digest()
        # As if they came one after another.
        tag = job.fair_tag = tag + cost if jobs else fairness.start_tag(job, cost=cost)
        job.held_at = held_at
        job.revision = next(revision)
        jobs.append(job)
        assets += _assets(job, list(islice(revision, quantity)))
    Job.objects.bulk_create(jobs)
    Asset.objects.bulk_create(assets)
    for job in jobs:
        ids = {"job": str(job.pk), "owner": owner_id}
        audit_log.after_commit("job.submitted", actor=actor, job_type=job.job_type, slots=quantity, **ids)
    publisher.changed(owner_id=owner_id, revision=assets[-1].revision, job_ids=[job.pk for job in jobs])
    publisher.queued(engine=job_type.engine)
    return jobs


def _job(
    owner_id: int,
    project: Project,
    asked: Submission,
    job_type: JobType,
    quantity: int,
    model: ServedModel | None,
) -> Job:
    aspect = asked.aspect or (model.default_aspect(job_type) if model else job_type.default_aspect)
    width, height = (model.sizes_for(job_type) if model else job_type.sizes)[aspect]
    parameters = model.parameters(job_type, aspect, asked.settings) if model else job_type.parameters(aspect)
    types = [reference.type for reference in asked.references]
    return Job(
        owner_id=owner_id,
        project=project,
        job_type=job_type.name,
        engine=job_type.engine,
        media=job_type.media,
        prompt=asked.prompt.strip(),
        typed_prompt=asked.typed_prompt,
        negative_prompt=asked.negative_prompt.strip(),
        quantity=quantity,
        seed=asked.seed,
        aspect=aspect,
        width=width,
        height=height,
        parameters=parameters,
        model=model.name if model else "",
        model_digest=model.digest if model else "",
        settings=dict(asked.settings),
        review=asked.review,
        pool=job_type.pool(types, model.name if model else ""),
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
