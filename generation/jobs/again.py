"""Running a job again: the same submission anew, with the seeds that it had or with new ones."""

from __future__ import annotations

import uuid

from generation.access.models import unavailable_because
from generation.catalog.submission import MAX_SEED, InvalidSubmission, ReferenceInput, Submission
from generation.core.actors import Actor
from generation.core.errors import DomainError, JobNotFound
from generation.jobs.listing import jobs_with_slots
from generation.jobs.submit import submit
from generation.models import Job


class NotRepeatable(DomainError):
    """Something of the job is gone, so that it cannot be made as it was; `message` says what."""

    code = "not_repeatable"


def run_again(
    *, owner_id: int, actor: Actor, job_id: uuid.UUID, vary: bool = False, idempotency_key: str = ""
) -> Job:
    """Queue a new job like this one, whatever became of it; `vary`: with new seeds.

    The same key for the same job answers with the job that the first call made.

    Raises:
        JobNotFound: not the owner's.
        NotRepeatable: one of its reference images, its seed, or what it was to be made with is gone, or its
            model has changed; a varied job is made with the model as it is now.
        IdempotencyKeyReused, OverLimit: as `submit`.
    """
    job = next(iter(jobs_with_slots(owner_id=owner_id, job_ids=[job_id])), None)
    if job is None:
        raise JobNotFound
    if not vary and (reason := unavailable_because(job)):
        raise NotRepeatable(f"{reason} Its settings can be used again in the form.")
    if job.is_import:
        raise NotRepeatable("It was brought in from a file. Its settings can be used again in the form.")
    submission = Submission(
        job_type=job.job_type,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        quantity=job.quantity,
        seed=None if vary else _first_seed(job),
        aspect=job.aspect,
        project_id=job.project_id,
        review=job.review,
        references=_references(job),
        model=job.model,
        settings=job.settings,
    )
    try:
        return submit(
            owner_id=owner_id,
            actor=actor,
            submission=submission,
            idempotency_key=idempotency_key,
            use_default_model=False,
        )
    except InvalidSubmission as refused:
        reasons = " ".join(refused.errors.values())
        raise NotRepeatable(f"This cannot be made again as it was. {reasons}") from refused


def _references(job: Job) -> list[ReferenceInput]:
    used = job.sorted_references
    if gone := [each.get_type_display().lower() for each in used if each.reference_id is None]:
        plural = "s were" if len(gone) > 1 else " was"
        raise NotRepeatable(
            f"Its {' and '.join(gone)} reference{plural} removed, so it cannot be made again."
        )
    return [
        ReferenceInput(type=each.type, strength=each.strength, reference=each.reference_id) for each in used
    ]


def _first_seed(job: Job) -> int:
    """The seed of slot 0; where that was purged, it follows from those of the others."""
    for asset in job.slots:
        if asset.seed is not None:
            return (asset.seed - asset.slot) % (MAX_SEED + 1)
    if job.seed is None:
        raise NotRepeatable("Its seed went with its results. Vary makes it with new ones.")
    return job.seed
