"""Storing previews of slots in work: decoded, measured and encoded again like all media, and only a hint."""

from __future__ import annotations

import hashlib
import uuid
from typing import BinaryIO

from django.db import transaction

from generation.core import connections
from generation.core.actors import worker_actor
from generation.core.clock import Now
from generation.core.errors import TooManyPreviews, UnknownSlot, UnusablePreview
from generation.jobs.lease import refusal
from generation.jobs.progress_throttle import PREVIEWS, hint
from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.models import Job, JobStatus, Preview, Worker
from generation.models.job import JobQuerySet
from generation.models.preview import VERSION_LENGTH

MAX_BYTES = 64 * 1024
MAX_SIDE = 512  # px
EVERY_SECONDS = 2
WAIT_SECONDS = 1.0  # for a decoder; a preview that comes late is worth nothing


def store_preview(
    *, worker: Worker, job_id: uuid.UUID, lease_token: uuid.UUID, slot: int, content: BinaryIO
) -> None:
    """Store the image as the slot's newest preview and hint at it. Renews no lease, takes no revision.

    `content` is seekable.

    Raises:
        JobNotFound, LeaseLost: as for a heartbeat; also when the job was cancelled.
        UnknownSlot: the job has no such slot.
        TooManyPreviews: two of this job came within the last second.
        TooManyDecodes, DecoderUnavailable: drop it.
        UnusablePreview: no whole PNG, JPEG or WebP picture of at most MAX_SIDE.
    """
    held = Job.objects.filter(pk=job_id, lease_token=lease_token, leased_by=worker)
    running = held.filter(status=JobStatus.PROCESSING)
    # Before decoding: that is what takes the time.
    if not running.filter(PREVIEWS.allowed(), quantity__gt=slot).update(**PREVIEWS.recorded()):
        raise _refusal_of(running, slot) or refusal(worker=worker, job_id=job_id)
    preview = Preview(job_id=job_id, slot=slot, lease_token=lease_token, stored_at=Now())
    connections.give_back()
    preview.picture = _encoded_again(content, caller=str(worker_actor(worker.pk)))
    preview.version = hashlib.sha256(preview.picture).hexdigest()[:VERSION_LENGTH]
    if not _record(running, preview):
        raise refusal(worker=worker, job_id=job_id)


def _refusal_of(running: JobQuerySet, slot: int) -> UnknownSlot | TooManyPreviews | None:
    for quantity in running.values_list("quantity", flat=True):
        return TooManyPreviews() if slot < quantity else UnknownSlot(slot)
    return None


def _encoded_again(content: BinaryIO, *, caller: str) -> bytes:
    try:
        return measure(content, media="image", caller=caller, max_side=MAX_SIDE, wait=WAIT_SECONDS).thumbnail
    except BrokenMedia as broken:
        raise UnusablePreview(broken.code, broken.message) from broken


@transaction.atomic
def _record(running: JobQuerySet, preview: Preview) -> bool:
    """Replace the slot's preview, if the lease still runs."""
    if not list(running.select_for_update().values_list("pk")):
        return False
    Preview.objects.bulk_create(
        [preview],
        update_conflicts=True,
        unique_fields=["job", "slot"],
        update_fields=["lease_token", "picture", "version", "stored_at"],
    )
    hint(running, job_id=preview.job_id)
    return True
