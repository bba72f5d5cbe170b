"""Plain factories: rows are made by the real domain functions, files are real tiny media."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any

import av
from django.contrib.auth.models import User
from PIL import Image as Picture

from generation.catalog.submission import Submission
from generation.jobs.lease import lease
from generation.jobs.report import Receipt, Report, report
from generation.jobs.report_rules import AssetReport, SlotError
from generation.jobs.uploads import store_upload
from generation.models import Asset, Job, Reference, Upload, Worker
from tests.acting import submit, upload_reference, user_actor
from workspace.models import Preset
from workspace.presets import save_preset

_number = itertools.count(1)


def make_user(name: str = "") -> User:
    return User.objects.create_user(username=name or f"user{next(_number)}", password="a good long password")


def make_worker(name: str = "", engines: Sequence[str] = ("sdxl", "wan"), *, embeds: bool = False) -> Worker:
    name = name or f"worker{next(_number)}"
    return Worker.objects.create(name=name, engines=list(engines), embeds=embeds)


def make_job(
    owner: User, job_type: str = "sdxl_image_fast", prompt: str = "a lighthouse", **submission: Any
) -> Job:
    """A queued job, submitted as the form and the API do."""
    return submit(owner_id=owner.pk, submission=Submission(job_type=job_type, prompt=prompt, **submission))


def make_reference(owner: User, content: bytes = b"") -> Reference:
    """An uploaded reference image of the owner's."""
    return upload_reference(owner_id=owner.pk, content=io.BytesIO(content or png(shade=next(_number))))


def make_preset(owner: User, name: str = "Portrait", **fields: object) -> Preset:
    """A preset of the owner's, saved as the composer does."""
    preset, _ = save_preset(owner_id=owner.pk, actor=user_actor(owner.pk), name=name, fields=fields)
    return preset


@cache
def png(width: int = 64, height: int = 64, shade: int = 120) -> bytes:
    """A real PNG; another shade has other bytes."""
    out = io.BytesIO()
    Picture.new("RGB", (width, height), (shade % 256, 90, 160)).save(out, "PNG")
    return out.getvalue()


@cache
def mp4(width: int = 64, height: int = 64, frames: int = 8, fps: int = 16) -> bytes:
    """A real H.264 MP4."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            picture = Picture.new("RGB", (width, height), (number * 20 % 256, 90, 160))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return out.getvalue()


def lease_next(worker: Worker) -> Job:
    """The next job, held by `worker`."""
    job = lease(worker=worker, engines=worker.engines)
    assert job is not None, "there was no job to lease"
    return job


def upload(job: Job, slot: int = 0, content: bytes | None = None) -> Upload:
    """Real bytes stored for a slot of a leased job."""
    if content is None:
        content = mp4() if job.media == "video" else png(shade=slot)
    return store_upload(
        worker=job.leased_by,
        job_id=job.pk,
        lease_token=job.lease_token,
        slot=slot,
        content=io.BytesIO(content),
    )


def completed(job: Job, slot: int, **fields: Any) -> AssetReport:
    """A report of a slot with its bytes uploaded."""
    index = job.slots[slot].image_index
    return AssetReport(image_index=index, status="completed", upload_id=upload(job, slot).pk, **fields)


def failed(job: Job, slot: int, *, retryable: bool = False, code: str = "out_of_memory") -> AssetReport:
    error = SlotError(code, "The GPU ran out of memory.", retryable)
    return AssetReport(image_index=job.slots[slot].image_index, status="failed", error=error)


def call_back(job: Job, *assets: AssetReport, status: str = "completed", **fields: Any) -> Receipt:
    """The leased job's worker reports."""
    told = Report(job_id=job.pk, lease_token=job.lease_token, status=status, assets=assets, **fields)
    return report(worker=job.leased_by, report=told)


def complete(job: Job, worker: Worker | None = None) -> list[Asset]:
    """Lease the job (which must be next) and deliver every slot; its assets."""
    leased = lease_next(worker or make_worker())
    assert leased.pk == job.pk, "another job was next"
    call_back(leased, *[completed(leased, asset.slot) for asset in leased.slots])
    return fresh(job).slots


def fresh(job: Job) -> Job:
    """The job as the database has it now."""
    return Job.objects.get(pk=job.pk)
