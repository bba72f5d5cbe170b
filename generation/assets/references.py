"""Reference images: uploaded or chosen, named by submissions, read by the worker that has the job.

A reference that cannot be kept or found refuses the upload or the submission; a job never goes without it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Greatest
from django.template.defaultfilters import filesizeformat

from generation.assets import file_deletions
from generation.assets.canonical_references import canonical, make_canonical, store
from generation.catalog.job_types import ReferenceType
from generation.catalog.submission import InvalidSubmission, ReferenceInput
from generation.changes import revisions
from generation.core import audit_log
from generation.core.actors import Actor
from generation.core.clock import Now
from generation.core.errors import DomainError, ReferencesGone
from generation.core.keyset import newest_by_id
from generation.media import storage
from generation.models import Asset, Job, JobReference, JobStatus, Reference, Worker

# A smaller reference counts as this much, so that the quota bounds their number too.
MIN_COUNTED_BYTES = 64 * 1024
# px. Phones make images of up to 5,712.
MAX_SIDE = 6144
UNKNOWN_REFERENCE = "You have no such reference image. Choose the image again."


class OverReferenceQuota(DomainError):
    """The owner keeps as many bytes of reference images as is allowed."""

    code = "over_reference_quota"

    def __init__(self) -> None:
        super().__init__(
            f"You may keep {filesizeformat(settings.REFERENCE_QUOTA_BYTES)} of reference images, and have as "
            f"many. One that no unfinished job needs goes {settings.REFERENCE_DAYS} days after its last use."
        )


class ReferenceInUse(DomainError):
    """A waiting or running job needs it."""

    code = "reference_in_use"

    def __init__(self) -> None:
        super().__init__("A waiting or running job uses this reference image. Cancel that first, or wait.")


def upload_reference(*, owner_id: int, actor: Actor, content: BinaryIO) -> Reference:
    """Store an image as a reference; the same bytes again return the first one.

    What is kept is the one canonical picture in it, which page, thumbnail and workers all use. `content` is
    seekable and capped.

    Raises:
        UnusableReference: not a whole PNG, JPEG or WebP, or one with more than MAX_SIDE px a side.
        TooManyDecodes: others' pictures are being decoded.
        OverReferenceQuota: there is no room for it; nothing was kept.
    """
    sha256, _ = storage.sha256_and_size(content)
    known = Reference.objects.of(owner_id).filter(sha256=sha256)
    if known.update(used_at=Now()):
        return known.get()
    picture = Reference(owner_id=owner_id, sha256=sha256)
    make_canonical(picture, content, max_side=MAX_SIDE)
    return _record(owner_id, actor, [picture])[sha256]


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """Reference images newest first; `next_cursor` is empty on the last page."""

    references: list[Reference]
    next_cursor: str


def list_references(*, owner_id: int, cursor: str = "", limit: int = 60) -> ReferencePage:
    """A page of the owner's reference images, newest first. Raises BadCursor."""
    return ReferencePage(*newest_by_id(Reference.objects.of(owner_id), cursor, limit))


def find_reference(*, owner_id: int, reference_id: uuid.UUID) -> Reference | None:
    """The owner's reference image, or None."""
    return Reference.objects.of(owner_id).filter(pk=reference_id).first()


@transaction.atomic
def delete_reference(*, owner_id: int, actor: Actor, reference_id: uuid.UUID) -> bool:
    """Delete a reference image now; whether there was one. Jobs that used it still name its type.

    Raises:
        ReferenceInUse: a waiting or running job needs it.
    """
    mine = Reference.objects.of(owner_id).filter(pk=reference_id)
    # Locked, so that a submission or a retry that names it either is seen here or finds it gone.
    reference = mine.select_for_update().first()
    if reference is None:
        return False
    if not mine.idle().exists():
        raise ReferenceInUse
    mine.delete()
    file_deletions.delete_after_commit(storage.file_names(reference))
    audit_log.after_commit("reference.removed", actor=actor, reference=str(reference_id), owner=owner_id)
    return True


def references_from_images(
    *, owner_id: int, actor: Actor, inputs: Sequence[ReferenceInput]
) -> list[ReferenceInput]:
    """The inputs, each image of the owner's replaced by a reference copied from it, in bounded queries.

    To be called before the transaction that submits: it copies files.

    Raises:
        InvalidSubmission: an image that is not there, not the owner's, in the trash or too large.
        OverReferenceQuota
    """
    wanted = {each.image for each in inputs if each.image}
    if not wanted:
        return list(inputs)
    mine = Asset.objects.of(owner_id).images().completed().outside_trash().filter(pk__in=wanted)
    images = {image.pk: image for image in mine}
    if len(images) < len(wanted):
        raise InvalidSubmission({"references": UNKNOWN_REFERENCE})
    kept = _copies(owner_id, actor, {image.sha256: image for image in images.values()})
    return [
        replace(each, image=None, reference=kept[images[each.image].sha256].pk) if each.image else each
        for each in inputs
    ]


def attach(jobs: Sequence[Job], inputs: Sequence[ReferenceInput]) -> None:
    """Insert the references of an owner's jobs, the same for each, in the transaction that submits them.

    Raises:
        InvalidSubmission: a reference that is not there, or not the owner's.
    """
    if not inputs:
        return
    ids = {each.reference for each in inputs if each.reference}
    # Locks them too, against the chore that deletes unused ones.
    if Reference.objects.of(jobs[0].owner_id).filter(pk__in=ids).update(used_at=Now()) < len(ids):
        raise InvalidSubmission({"references": UNKNOWN_REFERENCE})
    JobReference.objects.bulk_create(
        JobReference(
            job=job,
            type=each.type,
            strength=ReferenceType(each.type).default_strength if each.strength is None else each.strength,
            reference_id=each.reference,
        )
        for job in jobs
        for each in inputs
    )


def require_references(job: Job) -> None:
    """Count a retry as a use of the job's references, in its transaction.

    Raises:
        ReferencesGone
    """
    if not job.has_references:
        return
    Reference.objects.filter(uses__job=job).update(used_at=Now())
    if job.references.filter(reference=None).exists():
        raise ReferencesGone


def leased_reference(*, worker: Worker, job_id: uuid.UUID, type_: str) -> Reference | None:
    """The reference image of a job that this worker has leased now, canonical; None in all other cases.

    Raises:
        UnusableReference: it was kept by an older version, and cannot be made canonical.
    """
    if type_ not in ReferenceType.values:  # as it stands in an address: PostgreSQL takes no NUL
        return None
    held = JobReference.objects.filter(job=job_id, job__leased_by=worker, job__status=JobStatus.PROCESSING)
    used = held.filter(type=type_).select_related("reference").first()
    return canonical(used.reference) if used and used.reference else None


def _copies(owner_id: int, actor: Actor, images: dict[str, Asset]) -> dict[str, Reference]:
    """A reference for each image, by SHA-256."""
    known = _known(owner_id, images)
    new = [_copy(image) for key, image in images.items() if key not in known]
    return known | _record(owner_id, actor, new)


def _known(owner_id: int, sha256s: Iterable[str]) -> dict[str, Reference]:
    found = Reference.objects.of(owner_id).filter(sha256__in=list(sha256s))
    return {reference.sha256: reference for reference in found}


def _copy(image: Asset) -> Reference:
    """An unsaved reference with files of its own, made canonical when a worker first fetches it."""
    assert image.byte_size is not None
    if image.byte_size > settings.MAX_REFERENCE_BYTES:
        limit = filesizeformat(settings.MAX_REFERENCE_BYTES)
        message = f"This picture has {filesizeformat(image.byte_size)}; a reference has at most {limit}."
        raise InvalidSubmission({"references": message})
    taken = ("owner_id", "sha256", "content_type", "byte_size", "width", "height")
    picture = Reference(**{name: getattr(image, name) for name in taken})
    try:
        with image.file.open() as content, image.thumbnail.open() as thumbnail:
            store(picture, cast("BinaryIO", content), thumbnail.read())
    except FileNotFoundError:
        raise InvalidSubmission({"references": UNKNOWN_REFERENCE}) from None
    return picture


def _record(owner_id: int, actor: Actor, pictures: Sequence[Reference]) -> dict[str, Reference]:
    """Write the rows of stored pictures, by SHA-256; of two with the same bytes, the first is kept."""
    if not pictures:
        return {}
    try:
        with transaction.atomic():
            revisions.take(owner_id=owner_id, count=0)  # locks the counter: what follows is serialised
            known = _known(owner_id, [picture.sha256 for picture in pictures])
            new = [picture for picture in pictures if picture.sha256 not in known]
            _check_quota(owner_id, new)
            Reference.objects.bulk_create(new)
    except OverReferenceQuota:
        _drop(pictures)
        raise
    _drop([picture for picture in pictures if picture.sha256 in known])
    for picture in new:
        audit_log.after_commit("reference.stored", actor=actor, reference=str(picture.pk), owner=owner_id)
    return known | {picture.sha256: picture for picture in new}


def require_room(*, owner_id: int) -> None:
    """Raises OverReferenceQuota when the owner's quota is used up, whatever would come."""
    if _counted_bytes(owner_id) >= settings.REFERENCE_QUOTA_BYTES:
        raise OverReferenceQuota


def _check_quota(owner_id: int, new: Sequence[Reference]) -> None:
    added = sum(max(picture.byte_size, MIN_COUNTED_BYTES) for picture in new)
    if _counted_bytes(owner_id) + added > settings.REFERENCE_QUOTA_BYTES:
        raise OverReferenceQuota


def _counted_bytes(owner_id: int) -> int:
    counted = Sum(Greatest("byte_size", MIN_COUNTED_BYTES), default=0)
    return int(Reference.objects.of(owner_id).aggregate(bytes=counted)["bytes"])


def _drop(pictures: Iterable[Reference]) -> None:
    file_deletions.delete_unrecorded([name for picture in pictures for name in storage.file_names(picture)])
