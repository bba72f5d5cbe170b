"""The names that this side and the server have for what a worker can be given."""

from __future__ import annotations

from collections.abc import Iterable

SDXL_IMAGES = ("sdxl_image_fast", "sdxl_image_high")
WAN_IMAGES = ("image_fast", "image_high")
WAN_VIDEOS = ("video_fast", "video_high")
ENHANCED_IMAGES = ("image7b_fast_enhanced", "image7b_high_enhanced")
ENHANCED_VIDEOS = ("video7b_fast_enhanced", "video7b_high_enhanced")


def with_references(job_types: Iterable[str], *types: str) -> tuple[str, ...]:
    """The pools of these job types when references of exactly these types come with the job."""
    needs = "".join(f"+{each}" for each in sorted(types))
    return tuple(f"{job_type}{needs}" for job_type in job_types)
