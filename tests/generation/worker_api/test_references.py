"""A leased job's references: in the lease answer, and readable for as long as the lease lasts."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from PIL import Image as Picture
from rest_framework.test import APIClient

from generation.catalog.submission import ReferenceInput
from generation.jobs.lease import reap
from generation.models import Job
from tests.acting import cancel
from tests.factories import make_job, make_reference, png
from tests.generation.worker_api.conftest import Machine, expire

POOL = "video_fast+end_frame+start_frame"


@pytest.fixture
def job(owner: User) -> Job:
    pictures = {"start_frame": png(shade=1), "end_frame": png(shade=2)}
    asked = [
        ReferenceInput(type=type_, reference=make_reference(owner, content).pk)
        for type_, content in pictures.items()
    ]
    return make_job(owner, "video_fast", references=asked)


def read(machine: Machine, url: str) -> tuple[int, Any, bytes]:
    """Status, headers and body."""
    assert url.startswith("http://testserver/api/v1/worker/"), "on this server"
    answer: Any = machine.http.get(urlsplit(url).path)
    return answer.status_code, answer.headers, b"".join(answer)


def test_the_lease_answer_names_them_and_the_holder_reads_them(machine: Machine, job: Job) -> None:
    """pitfall 19, pitfall 20"""
    lease = machine.lease(pools=["video_fast", POOL]).json()
    assert [(each["type"], each["strength"]) for each in lease["references"]] == [
        ("end_frame", 1.0),
        ("start_frame", 1.0),
    ]
    for each, shade in zip(lease["references"], (2, 1), strict=True):
        status, headers, content = read(machine, each["url"])
        assert (status, headers["Content-Type"]) == (200, "image/png")
        with Picture.open(io.BytesIO(content)) as given, Picture.open(io.BytesIO(png(shade=shade))) as sent:
            assert given.tobytes() == sent.convert("RGB").tobytes()
        assert headers["Cache-Control"] == "private, no-store"


def test_a_worker_that_names_no_pool_is_not_given_the_job(machine: Machine, job: Job, owner: User) -> None:
    """pitfall 19: it would make it without the pictures."""
    assert machine.lease().status_code == 204
    assert machine.lease(pools=["video_fast", "video_fast+start_frame"]).status_code == 204
    plain = make_job(owner, "video_fast")
    lease = machine.lease().json()
    assert (lease["job_id"], lease["references"]) == (str(plain.pk), [])


def test_what_a_worker_names_is_remembered_as_far_as_it_means_something(machine: Machine) -> None:
    machine.lease(pools=[POOL, "sdxl_image_fast", "video_fast+style", "nonsense", "+" * 99])
    machine.worker.refresh_from_db()
    assert machine.worker.pools == ["sdxl_image_fast", POOL]
    assert machine.lease(pools=["x"] * 201).status_code == 422


def test_nobody_else_reads_them(machine: Machine, other: Machine, job: Job) -> None:
    lease = machine.lease(pools=[POOL]).json()
    url = lease["references"][0]["url"]
    assert read(other, url)[0] == 404
    assert read(machine, url.replace("end_frame", "style"))[0] == 404
    for none in ("mood", "%00"):
        assert read(machine, url.replace("end_frame", none))[0] == 404
    other.http = APIClient()
    assert read(other, url)[0] == 401


@pytest.mark.parametrize("end", ["release", "cancel", "expire", "deliver"])
def test_after_the_lease_they_cannot_be_read(machine: Machine, job: Job, owner: User, end: str) -> None:
    lease = machine.lease(pools=[POOL]).json()
    url = lease["references"][0]["url"]
    if end == "release":
        machine.release(lease)
    elif end == "cancel":
        cancel(owner_id=owner.pk, job_id=job.pk)
    elif end == "expire":
        expire(job)
        assert read(machine, url)[0] == 200, "late, but nobody replaced it yet"
        reap()
    else:
        error = {"code": "out_of_memory", "message": "no", "retryable": False}
        machine.report(lease, {"image_index": None, "status": "failed", "error": error})
    assert read(machine, url)[0] == 404
