"""The names that this side and the server have for what a worker can be given."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

SDXL_IMAGES = ("sdxl_image_fast", "sdxl_image_high")
WAN_IMAGES = ("image_fast", "image_high")
WAN_VIDEOS = ("video_fast", "video_high")
ENHANCED_IMAGES = ("image7b_fast_enhanced", "image7b_high_enhanced")
ENHANCED_VIDEOS = ("video7b_fast_enhanced", "video7b_high_enhanced")


def with_references(job_types: Iterable[str], *types: str) -> tuple[str, ...]:
    """The pools of these job types when references of exactly these types come with the job."""
    needs = "".join(f"+{each}" for each in sorted(types))
    return tuple(f"{job_type}{needs}" for job_type in job_types)


def with_any_of(job_types: Iterable[str], types: Iterable[str]) -> tuple[str, ...]:
    """The pools of these job types with every choice of these references, none of them among it."""
    named, known = tuple(job_types), tuple(types)
    choices = [choice for count in range(len(known) + 1) for choice in combinations(known, count)]
    return tuple(pool for choice in choices for pool in with_references(named, *choice))
