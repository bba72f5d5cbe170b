"""Storing a worker's upload for a slot, measured and named by the server, before a callback refers to it."""

from __future__ import annotations

import uuid
from typing import BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import Q, Subquery, Value
from django.db.models.functions import Coalesce

from generation.assets import file_deletions
from generation.core import audit_log, connections
from generation.core.actors import Actor, worker_actor
from generation.core.errors import TooManyUploads, UnknownSlot
from generation.core.ids import new_id
from generation.jobs.lease import refusal
from generation.media import storage
from generation.media.formats import BrokenMedia, Measured
from generation.media.manifests import measured_with_manifest
from generation.models import Attempt, Job, JobStatus, Outcome, Upload, Worker

# Per slot and attempt. A worker needs one, and a few more when the first ones were broken.
MAX_UPLOADS = 8


def require_slot(*, worker: Worker, job_id: uuid.UUID, lease_token: uuid.UUID, slot: int) -> Job:
    """The running job of which this worker may now upload the slot.

    Raises:
        JobNotFound, LeaseLost: as for a heartbeat; also when the job was cancelled.
        UnknownSlot: the job has no such slot.
    """
    held = Job.objects.filter(pk=job_id, lease_token=lease_token, leased_by=worker)
    job = held.filter(status=JobStatus.PROCESSING).first()
    if job is None:
        raise refusal(worker=worker, job_id=job_id)
    if not 0 <= slot < job.quantity:
        raise UnknownSlot(slot)
    return job


def store_upload(
    *, worker: Worker, job_id: uuid.UUID, lease_token: uuid.UUID, slot: int, content: BinaryIO
) -> Upload:
    """Store the bytes for the slot; the same bytes again return the first upload.

    `content` is seekable. Broken bytes are not stored: the upload carries the error instead.

    Raises:
        JobNotFound, LeaseLost, UnknownSlot: as `require_slot`.
        TooManyUploads: enough different files came for the slot in this attempt.
        TooManyDecodes, DecoderUnavailable: nothing was kept; send it again.
    """
    job = require_slot(worker=worker, job_id=job_id, lease_token=lease_token, slot=slot)
    sha256, byte_size = storage.sha256_and_size(content)
    of_slot = Upload.objects.filter(job=job, lease_token=lease_token, slot=slot)
    same = of_slot.filter(sha256=sha256)
    if known := same.first():
        return known
    if _uploads_of_attempt(job, slot) >= MAX_UPLOADS:
        raise TooManyUploads(MAX_UPLOADS)
    upload = Upload(job=job, lease_token=lease_token, slot=slot, sha256=sha256, byte_size=byte_size)
    actor = worker_actor(worker.pk)
    connections.give_back()
    _measure_and_store(upload, content, media=job.media, actor=actor)
    if stored := _record(upload, actor) or same.first():
        return stored
    raise refusal(worker=worker, job_id=job_id)  # the job went with its owner's account meanwhile


def _uploads_of_attempt(job: Job, slot: int) -> int:
    """Uploads for the slot in this lease, and since the job last lost an attempt.

    Giving the job back costs no attempt, so it must not give room for more files either.
    """
    lost = Attempt.objects.filter(job=job).exclude(outcome__in=[Outcome.RUNNING, Outcome.RELEASED])
    since = Coalesce(Subquery(lost.order_by("-number").values("ended_at")[:1]), Value(job.created_at))
    counted = Q(lease_token=job.lease_token) | Q(created_at__gte=since)
    return Upload.objects.filter(counted, job=job, slot=slot).count()


def _measure_and_store(upload: Upload, content: BinaryIO, *, media: str, actor: Actor) -> None:
    try:
        with measured_with_manifest(content, media=media, caller=str(actor)) as (measured, kept):
            _store(upload, measured, kept)
            if kept is not content:
                upload.stored_sha256, upload.byte_size = storage.sha256_and_size(kept)
    except BrokenMedia as error:
        upload.error_code, upload.error_message = error.code, error.message
        ids = {"job": str(upload.job_id), "slot": upload.slot, "code": error.code}
        audit_log.refused("upload.broken", actor=actor, **ids)


def _store(upload: Upload, measured: Measured, content: BinaryIO) -> None:
    upload.content_type = measured.content_type
    upload.width, upload.height = measured.width, measured.height
    upload.duration, upload.frames = measured.duration, measured.frames
    upload.has_audio = measured.has_audio
    upload.id = new_id()
    upload.placeholder = measured.placeholder
    upload.file, upload.thumbnail, upload.small_thumbnail = storage.store(
        f"{upload.job_id}/{upload.id}",
        content,
        measured.extension,
        measured.thumbnail,
        small_thumbnail=measured.small_thumbnail,
    )


def _record(upload: Upload, actor: Actor) -> Upload | None:
    """Insert the row; None when the same bytes were recorded meanwhile, and then the files are deleted.

    Only then: after any other error the row may exist nevertheless, and a row must have its files.
    """
    try:
        with transaction.atomic():
            upload.save(force_insert=True)
    except IntegrityError:
        file_deletions.delete_unrecorded(storage.file_names(upload))
        return None
    ids = {"job": str(upload.job_id), "slot": upload.slot, "upload": str(upload.pk)}
    audit_log.after_commit("upload.stored", actor=actor, **ids)
    return upload
