"""What made an asset, as text in the format that the common tools of this field write and read."""

from __future__ import annotations

import json

from generation.models import Asset


def infotext(asset: Asset) -> str:
    """Prompt, negative prompt, then one line of `Name: value` pairs; `asset.job` is at hand.

    A value with a comma, a colon or a line break is a JSON string.
    """
    job = asset.job
    negative = [f"Negative prompt: {job.negative_prompt}"] if job.negative_prompt else []
    fields = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in _fields(asset).items())
    return "\n".join([asset.prompt, *negative, fields])


def _fields(asset: Asset) -> dict[str, object]:
    job, parameters = asset.job, asset.job.parameters
    fields = {
        "Steps": parameters.get("steps"),
        "CFG scale": parameters.get("guidance"),
        "Seed": asset.seed,
        "Size": f"{asset.width}x{asset.height}",
        "Frames": asset.frames,
        "Model": job.model or job.type.title,
        "Enhanced prompt": job.enhanced_prompt,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if any(char in text for char in ",:\n") else text
