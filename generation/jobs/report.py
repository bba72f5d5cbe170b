"""A worker's report: the only way a slot gets its result. docs/worker-protocol.md describes it to workers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.db.models import F

from generation.assets.embeddings import work as embeddings
from generation.assets.search import index as search_index
from generation.changes import writes
from generation.core import audit_log
from generation.core.actors import worker_actor
from generation.core.clock import Now, from_now
from generation.core.graphemes import cut
from generation.core.limits import ERROR_CODE_LENGTH, ERROR_MESSAGE_LENGTH, METADATA_BYTES
from generation.jobs.finish import ASSET_END, Reason, finish_or_requeue
from generation.jobs.forgiveness import forgive
from generation.jobs.lease import lock_leased_job
from generation.jobs.report_rules import AssetReport, Evaluation, evaluate
from generation.models import Asset, AssetStatus, Attempt, Job, JobStatus, Outcome, Upload, Worker
from generation.queue.speeds import record_run

RESULT_FIELDS = (
    *ASSET_END,
    "file",
    "thumbnail",
    "small_thumbnail",
    "placeholder",
    "content_type",
    "sha256",
    "received_sha256",
    "byte_size",
    "width",
    "height",
    "seed",
    "metadata",
    "duration",
    "frames",
    "has_audio",
    "completed_at",
    "saved_at",
)
ENHANCED_PROMPT_LENGTH = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One callback. `status` is `processing` (more to come), `completed` or `failed` (the worker is done)."""

    job_id: uuid.UUID
    lease_token: uuid.UUID
    status: str
    assets: Sequence[AssetReport] = ()
    error_message: str = ""
    metadata: dict[str, object] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        return self.status != "processing"

    @property
    def reason(self) -> Reason:
        """Why the slots that the final report leaves out have failed."""
        if self.status == "failed":
            message = cut(self.error_message, ERROR_MESSAGE_LENGTH) or "The worker could not run the job."
            return Reason("worker_error", message)
        return Reason("not_delivered", "The worker ended the job without this result.")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reported asset that was not accepted, and why."""

    image_index: int | None
    code: str
    message: str


@dataclass(slots=True)
class Receipt:
    """The answer, by `image_index`: every reported asset is in exactly one of the lists."""

    accepted: list[int | None] = field(default_factory=list)
    duplicate: list[int | None] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    job_status: str = ""


@transaction.atomic
def report(*, worker: Worker, report: Report) -> Receipt:
    """Fill the reported slots and finish or requeue the job; the queries do not grow with the slots.

    Raises:
        JobNotFound: this worker never had the job.
        LeaseLost: the lease ended; nothing was written.
    """
    job = lock_leased_job(worker=worker, job_id=report.job_id, lease_token=report.lease_token)
    live = job.status == JobStatus.PROCESSING
    assets = writes.lock_assets(job)
    uploads = _uploads(job, report)
    receipt = Receipt(job_status=job.status)
    changed = _evaluate_all(job, assets, uploads, report, receipt, live=live)
    _log_slots(job, assets, receipt, worker)
    if live:
        receipt.job_status = _write(job, assets, changed, report, receipt, worker)
        _mark_accepted(changed, uploads)
    return receipt


def _uploads(job: Job, report: Report) -> dict[uuid.UUID, Upload]:
    named = [reported.upload_id for reported in report.assets if reported.upload_id]
    # Locked, so that the chore that deletes old uploads cannot delete one meanwhile.
    found = Upload.objects.select_for_update().filter(job=job, pk__in=named) if named else ()
    return {upload.pk: upload for upload in found}


def _evaluate_all(
    job: Job,
    assets: Sequence[Asset],
    uploads: dict[uuid.UUID, Upload],
    report: Report,
    receipt: Receipt,
    *,
    live: bool,
) -> list[Asset]:
    """Evaluate each reported asset by its index alone and set its row's values; returns the changed rows."""
    by_index = {asset.image_index: asset for asset in assets}
    changed: dict[uuid.UUID, Asset] = {}
    for reported in report.assets:
        asset = by_index.get(reported.image_index)
        upload = uploads.get(reported.upload_id) if reported.upload_id else None
        evaluation = evaluate(asset, reported, upload, live=live)
        _add_to_receipt(receipt, reported, evaluation)
        if asset and evaluation.changes_slot:
            _apply(job, asset, reported, upload, evaluation)
            changed[asset.pk] = asset
    return sorted(changed.values(), key=lambda asset: asset.pk)


def _add_to_receipt(receipt: Receipt, reported: AssetReport, evaluation: Evaluation) -> None:
    if evaluation.code:
        receipt.rejected.append(Rejection(reported.image_index, evaluation.code, evaluation.message))
    elif evaluation.duplicate:
        receipt.duplicate.append(reported.image_index)
    else:
        receipt.accepted.append(reported.image_index)


def _apply(
    job: Job, asset: Asset, reported: AssetReport, upload: Upload | None, evaluation: Evaluation
) -> None:
    if evaluation.slot_error:
        asset.error_code, asset.error_message = (
            evaluation.slot_error.code[:ERROR_CODE_LENGTH],
            cut(evaluation.slot_error.message, ERROR_MESSAGE_LENGTH),
        )
        if not evaluation.slot_error.retryable:
            asset.status = AssetStatus.FAILED
        return
    assert upload is not None
    asset.status, asset.error_code, asset.error_message = AssetStatus.COMPLETED, "", ""
    asset.file, asset.thumbnail = upload.file, upload.thumbnail
    asset.small_thumbnail, asset.placeholder = upload.small_thumbnail, upload.placeholder
    asset.content_type, asset.byte_size = upload.content_type, upload.byte_size
    asset.sha256 = upload.stored_sha256 or upload.sha256
    asset.received_sha256 = upload.sha256 if upload.stored_sha256 else ""
    asset.width, asset.height = upload.width, upload.height
    asset.seed = asset.seed if reported.seed is None else reported.seed
    asset.metadata = reported.metadata
    asset.completed_at = job.locked_at  # a moment, as the hours of the Library are counted by it
    asset.saved_at = None if job.review else job.locked_at
    asset.duration, asset.frames, asset.has_audio = upload.duration, upload.frames, upload.has_audio


def _write(
    job: Job,
    assets: Sequence[Asset],
    changed: Sequence[Asset],
    report: Report,
    receipt: Receipt,
    worker: Worker,
) -> JobStatus:
    changes = _job_changes(job, report)
    refused = {rejection.image_index for rejection in receipt.rejected}
    failed = {asset.image_index for asset in changed if asset.error_code}
    completed = [asset for asset in changed if asset.status == AssetStatus.COMPLETED]
    counted = {
        "accepted": F("accepted") + len(completed),
        "rejected": F("rejected") + len(refused | failed),
        "error_message": cut(report.error_message, ERROR_MESSAGE_LENGTH),
    }
    _index(job, assets, completed, changes)
    if report.status == "failed" and not report.assets:  # of a process that was killed, by the next one
        # That one is there, where others may be busy for long.
        changes |= forgive(job, worker) | {"elsewhere_until": None}
    if report.is_final:
        status = finish_or_requeue(
            job,
            assets,
            actor=worker_actor(worker.pk),
            reason=report.reason,
            touched=changed,
            fields=RESULT_FIELDS,
            changes=changes,
        )
        writes.end_attempt(job, Outcome.REPORTED, **counted)
        _record_speed(job, assets, completed, worker)
        return status
    changes["lease_expires_at"] = from_now(settings.LEASE_SECONDS)
    writes.write(job, changes=changes, assets=changed, fields=RESULT_FIELDS)
    Attempt.objects.filter(job=job, ended_at=None).update(**counted)
    return JobStatus.PROCESSING


def _index(job: Job, assets: Sequence[Asset], completed: Sequence[Asset], changes: dict[str, object]) -> None:
    """Make what this callback completed searchable, and what is there already by a new enhanced prompt."""
    enhanced = str(changes.get("enhanced_prompt", job.enhanced_prompt))
    found = completed if enhanced == job.enhanced_prompt else assets
    for asset in found:
        asset.job = job
    search_index.write(found, enhanced_prompt=enhanced)
    embeddings.want([asset.pk for asset in completed])


def _record_speed(job: Job, assets: Sequence[Asset], completed: Sequence[Asset], worker: Worker) -> None:
    """Record the worker's speed in this lease, for the next estimates; everything it completed counts."""
    assert job.leased_at is not None
    others = [asset for asset in assets if asset not in completed]
    before = [asset for asset in others if asset.completed_at and asset.completed_at >= job.leased_at]
    record_run(
        worker=worker,
        job_type=job.job_type,
        seconds=job.lease_seconds,
        slots=len(completed) + len(before),
        model=job.model,
    )


def _job_changes(job: Job, report: Report) -> dict[str, object]:
    """The job's own changes: metadata merged, the enhanced prompt in its column."""
    changes: dict[str, object] = {"metadata": _merged_metadata(job.metadata, report.metadata)}
    enhanced = report.metadata.get("enhanced_prompt")
    if isinstance(enhanced, str) and job.type.enhanced:
        changes["enhanced_prompt"] = cut(enhanced.replace("\0", ""), ENHANCED_PROMPT_LENGTH)
    return changes


def _merged_metadata(current: dict[str, object], reported: dict[str, object]) -> dict[str, object]:
    """Both merged; only the reported part where that grows too long, so that no worker can fill the row."""
    merged = current | reported
    return merged if len(json.dumps(merged, ensure_ascii=False).encode()) <= METADATA_BYTES else reported


def _mark_accepted(changed: Sequence[Asset], uploads: dict[uuid.UUID, Upload]) -> None:
    filled = {asset.file.name for asset in changed if asset.status == AssetStatus.COMPLETED}
    used = [upload.pk for upload in uploads.values() if upload.file.name in filled]
    if used:
        Upload.objects.filter(pk__in=used).update(accepted_at=Now())


def _log_slots(job: Job, assets: Sequence[Asset], receipt: Receipt, worker: Worker) -> None:
    asset_of = {asset.image_index: str(asset.pk) for asset in assets}
    ids = {"job": str(job.pk), "attempt": job.attempt, "worker": str(worker.pk)}
    actor = worker_actor(worker.pk)
    for index in receipt.accepted:
        audit_log.after_commit("asset.reported", actor=actor, asset=asset_of[index], image_index=index, **ids)
    for refused in receipt.rejected:
        asset, index = asset_of.get(refused.image_index), refused.image_index
        slot = {"asset": asset, "image_index": index, "code": refused.code}
        audit_log.after_commit("asset.rejected", actor=actor, **slot, **ids)
