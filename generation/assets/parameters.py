"""What made an asset, and what its owner said of it, as plain values for files that leave the Library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from generation.assets.download_names import download_name
from generation.assets.memberships import Names, names_of
from generation.models import Asset


def parameters_of_each(assets: Sequence[Asset]) -> Iterator[dict[str, Any]]:
    """Of each, with one query for all."""
    names = names_of(asset.pk for asset in assets)
    return (parameters_of(asset, names.get(asset.pk, Names())) for asset in assets)


def parameters_of(asset: Asset, names: Names) -> dict[str, Any]:
    """Values that JSON can hold; the asset comes with its job, the job's references, and its project.

    Sizes in px, durations in s, times in ISO 8601 and UTC.
    """
    job = asset.job
    return {
        "id": str(asset.pk),
        "file": download_name(asset),
        "title": asset.title,
        "media": asset.media,
        "project": asset.project.name,
        "tags": [name for _, name in names.tags],
        "collections": [name for _, name in names.collections],
        "prompt": asset.prompt,
        "negative_prompt": job.negative_prompt,
        "enhanced_prompt": job.enhanced_prompt,
        "seed": asset.seed,
        "job_type": job.job_type,
        "model": job.model,
        "settings": job.settings,
        "parameters": job.parameters,
        "references": [
            {"type": used.type, "strength": used.strength, "reference": _text(used.reference_id)}
            for used in job.references.all()
        ],
        "width": asset.width,
        "height": asset.height,
        "duration": asset.duration,
        "frames": asset.frames,
        "has_audio": asset.has_audio,
        "content_type": asset.content_type,
        "byte_size": asset.byte_size,
        "sha256": asset.sha256,
        "rating": asset.rating,
        "favourite": asset.favourite,
        "job": str(asset.job_id),
        "image_index": asset.image_index,
        "created_at": _text(asset.created_at),
        "completed_at": _text(asset.completed_at),
        "saved_at": _text(asset.saved_at),
        "metadata": asset.metadata,
    }


def _text(value: Any) -> str | None:
    """An id, or a time."""
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
