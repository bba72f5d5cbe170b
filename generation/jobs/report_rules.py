"""Rules that evaluate one reported asset against its slot, without the database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from generation.models import Asset, AssetStatus, Upload


@dataclass(frozen=True, slots=True)
class SlotError:
    """Why a slot has no result, in the worker's words."""

    code: str
    message: str
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetReport:
    """One asset of a callback. `status` is `completed` (with its upload) or `failed` (with its error)."""

    image_index: int | None
    status: str
    upload_id: uuid.UUID | None = None
    seed: int | None = None
    metadata: dict[str, object] = field(default_factory=dict)
    error: SlotError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The outcome for a reported asset: it changes its slot, is a duplicate, or is rejected with a `code`."""

    code: str = ""
    message: str = ""
    duplicate: bool = False
    changes_slot: bool = False
    slot_error: SlotError | None = None


DUPLICATE = Evaluation(duplicate=True)
DISCARDED = Evaluation(code="discarded", message="This lease has ended; the result is not needed any more.")
UNKNOWN_INDEX = Evaluation(code="unknown_index", message="The job has no slot with this image_index.")
CONFLICT = Evaluation(code="conflict", message="This slot already has another result.")
UNKNOWN_UPLOAD = Evaluation(code="unknown_upload", message="No upload of this slot has this upload_id.")
NO_REASON = SlotError("worker_error", "The worker gave no reason.")


def evaluate(asset: Asset | None, reported: AssetReport, upload: Upload | None, *, live: bool) -> Evaluation:
    """Evaluate `reported` for the slot `asset`; `live` while the worker's lease runs."""
    if asset is None:
        return UNKNOWN_INDEX
    if asset.status == AssetStatus.COMPLETED:
        return (
            DUPLICATE if reported.status == "completed" and _is_in_slot(asset, reported, upload) else CONFLICT
        )
    if not live:
        return _evaluate_late(asset, reported, upload)
    if asset.status == AssetStatus.FAILED:
        return DUPLICATE if reported.status == "failed" else CONFLICT
    if reported.status == "failed":
        return Evaluation(changes_slot=True, slot_error=reported.error or NO_REASON)
    return _evaluate_upload(asset, upload)


def _is_in_slot(asset: Asset, reported: AssetReport, upload: Upload | None) -> bool:
    """Whether the slot holds this upload; after a day only the slot's file name still has the upload's id."""
    if upload is None:
        return PurePosixPath(asset.file.name or "").stem == str(reported.upload_id)
    return upload.sha256 == asset.sent_sha256


def _evaluate_late(asset: Asset, reported: AssetReport, upload: Upload | None) -> Evaluation:
    """A report after the end of the lease: a replay gets its first answer, a new result is too late."""
    if asset.status == AssetStatus.CANCELLED:
        return DISCARDED
    if reported.status == "failed":
        return DUPLICATE
    return replace(_evaluate_upload(asset, upload), changes_slot=False) if _is_broken(upload) else DISCARDED


def _is_broken(upload: Upload | None) -> bool:
    return upload is not None and upload.error_code != ""


def _evaluate_upload(asset: Asset, upload: Upload | None) -> Evaluation:
    if upload is None or upload.slot != asset.slot:
        return UNKNOWN_UPLOAD
    if upload.error_code:
        error = SlotError(upload.error_code, upload.error_message)
        return Evaluation(code=error.code, message=error.message, changes_slot=True, slot_error=error)
    return Evaluation(changes_slot=True)
