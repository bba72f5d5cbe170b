"""The asset entries of a callback, and the rejections in its response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ourvidz_worker.engines.base import Result
from ourvidz_worker.protocol import AssetError, Slot


def completed_asset(slot: Slot, result: Result, upload_id: str) -> dict[str, Any]:
    return {
        "image_index": slot.image_index,
        "status": "completed",
        "upload_id": upload_id,
        "seed": slot.seed,
        "width": result.width,
        "height": result.height,
        "duration": result.duration,
        "metadata": dict(result.metadata),
        "error": None,
    }


def failed_asset(slot: Slot, error: AssetError) -> dict[str, Any]:
    return {
        "image_index": slot.image_index,
        "status": "failed",
        "upload_id": None,
        "seed": slot.seed,
        "width": None,
        "height": None,
        "duration": None,
        "metadata": {},
        "error": error.body(),
    }


def rejections(response: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Code and message of each asset that the response to a callback rejects; tolerates a malformed one."""
    rejected = response.get("rejected")
    if not isinstance(rejected, list):
        return []
    entries = [each if isinstance(each, dict) else {"code": "unknown"} for each in rejected]
    return [(str(each.get("code")), str(each.get("message", ""))) for each in entries]
