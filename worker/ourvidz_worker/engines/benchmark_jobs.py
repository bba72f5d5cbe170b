"""The jobs that a benchmark measures: one of each job type, with the server's default parameters."""

from __future__ import annotations

from typing import Any

from ourvidz_worker.engines.pools import ENHANCED_VIDEOS, SDXL_IMAGES, WAN_VIDEOS
from ourvidz_worker.protocol import Job, Parameters, Slot

PROMPT = "a lighthouse on a cliff above the sea at dusk, waves, warm light in the windows"


def benchmark_job(job_type: str, *, steps: int | None = None) -> Job:
    """A job with one slot of the server's default size; `steps` limits its steps, for a warm-up."""
    parameters = _sdxl(job_type) if job_type in SDXL_IMAGES else _wan(job_type)
    if steps is not None:
        parameters |= {"steps": min(steps, parameters["steps"])}
    return Job(
        id=f"bench-{job_type}",
        lease_token="",
        attempt=1,
        lease_seconds=60,
        heartbeat_seconds=15,
        job_type=job_type,
        engine="sdxl" if job_type in SDXL_IMAGES else "wan",
        prompt=PROMPT,
        negative_prompt="",
        parameters=Parameters(**parameters),
        slots=(Slot(0, None, "", 1),),
        references=(),
        max_upload_bytes=None,
    )


def _sdxl(job_type: str) -> dict[str, Any]:
    is_fast = "fast" in job_type
    return {
        "media": "image",
        "width": 1024,
        "height": 1024,
        "frames": 1,
        "fps": 0,
        "steps": 15 if is_fast else 25,
        "guidance": 6.0 if is_fast else 7.5,
        "enhance": False,
    }


def _wan(job_type: str) -> dict[str, Any]:
    is_fast, is_film = "fast" in job_type, job_type in (*WAN_VIDEOS, *ENHANCED_VIDEOS)
    return {
        "media": "video" if is_film else "image",
        "width": 480,
        "height": 832,
        "frames": 81 if is_film else 1,
        "fps": 16 if is_film else 0,
        "steps": 25 if is_fast else 50,
        "guidance": 6.5 if is_fast else 7.5,
        "enhance": "enhanced" in job_type,
        "solver": "unipc",
        "shift": 5.0,
    }
