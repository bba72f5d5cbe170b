"""Judging one reported asset against its slot; no database here."""

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
    """What a reported asset means: it changes its slot, or repeats what is known, or is refused by `code`."""

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


def evaluate(asset: Asset | None, given: AssetReport, upload: Upload | None, *, live: bool) -> Evaluation:
    """The verdict on `given` for the slot `asset`; `live` while the worker's lease runs."""
    if asset is None:
        return UNKNOWN_INDEX
    if asset.status == AssetStatus.COMPLETED:
        return DUPLICATE if given.status == "completed" and _is_in_slot(asset, given, upload) else CONFLICT
    if not live:
        return _evaluate_late(asset, given, upload)
    if asset.status == AssetStatus.FAILED:
        return DUPLICATE if given.status == "failed" else CONFLICT
    if given.status == "failed":
        return Evaluation(changes_slot=True, slot_error=given.error or NO_REASON)
    return _evaluate_upload(asset, upload)


def _is_in_slot(asset: Asset, given: AssetReport, upload: Upload | None) -> bool:
    """Whether the slot has these bytes; after a day only its file still names the upload it came from."""
    if upload is None:
        return PurePosixPath(asset.file.name or "").stem == str(given.upload_id)
    return upload.sha256 == asset.sha256


def _evaluate_late(asset: Asset, given: AssetReport, upload: Upload | None) -> Evaluation:
    """A replay is answered as the first time; what is new comes too late."""
    if asset.status == AssetStatus.CANCELLED:
        return DISCARDED
    if given.status == "failed":
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
