"""The names of pools, as the server spells them: a job type, the types of its references and its model."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from ourvidz_worker.protocol import Job

SDXL_IMAGES = ("sdxl_image_fast", "sdxl_image_high")
WAN_IMAGES = ("image_fast", "image_high")
WAN_VIDEOS = ("video_fast", "video_high")
ENHANCED_IMAGES = ("image7b_fast_enhanced", "image7b_high_enhanced")
ENHANCED_VIDEOS = ("video7b_fast_enhanced", "video7b_high_enhanced")
JOB_TYPES = (*SDXL_IMAGES, *WAN_IMAGES, *WAN_VIDEOS, *ENHANCED_IMAGES, *ENHANCED_VIDEOS)


def job_types_of_engine(engine: str) -> tuple[str, ...]:
    """Those that an engine can do with the right weights."""
    if engine == "sdxl":
        return SDXL_IMAGES
    return JOB_TYPES[len(SDXL_IMAGES) :] if engine == "wan" else JOB_TYPES


def with_references(job_types: Iterable[str], *types: str) -> tuple[str, ...]:
    """The pools of these job types with references of exactly these types."""
    suffix = "".join(f"+{each}" for each in sorted(types))
    return tuple(f"{job_type}{suffix}" for job_type in job_types)


def pool_of(job: Job) -> str:
    """The pool that a job comes from."""
    pool = with_references([job.job_type], *(each.type for each in job.references))[0]
    return with_model(pool, job.parameters.model)


def with_model(pool: str, model: str) -> str:
    """The pool of jobs that name this model; with no name, of those that name none."""
    return f"{pool}@{model}" if model else pool


def job_type_of(pool: str) -> str:
    return pool.partition("@")[0].partition("+")[0]


def with_any_of(job_types: Iterable[str], types: Iterable[str]) -> tuple[str, ...]:
    """The pools of these job types with every subset of these references, also the empty one."""
    job_type_names, type_names = tuple(job_types), tuple(types)
    subsets = [subset for count in range(len(type_names) + 1) for subset in combinations(type_names, count)]
    return tuple(pool for subset in subsets for pool in with_references(job_type_names, *subset))
