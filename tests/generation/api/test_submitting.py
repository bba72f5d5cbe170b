from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from generation.catalog.job_types import JOB_TYPES
from generation.models import Image, Job, Video
from tests.acting import create_project

SIX = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse", "quantity": 6}


def test_six_images_are_answered_with_six_records_before_any_work(mine: APIClient) -> None:
    """pitfall 1, pitfall 2: the records exist from the start and belong to the job."""
    response = mine.post("/api/v1/jobs", SIX)

    assert response.status_code == 201
    job = response.json()
    assert job["status"] == "queued"
    assert [image["image_index"] for image in job["images"]] == [0, 1, 2, 3, 4, 5]
    assert {image["status"] for image in job["images"]} == {"queued"}
    assert job["video"] is None
    assert {str(pk) for pk in Image.objects.values_list("pk", flat=True)} == {i["id"] for i in job["images"]}


def test_a_video_is_answered_with_its_record(mine: APIClient) -> None:
    job = mine.post("/api/v1/jobs", {"job_type": "video_high", "prompt": "waves"}).json()

    assert job["images"] == []
    assert job["video"]["status"] == "queued"
    assert job["video"]["id"] == str(Video.objects.get().pk)


@pytest.mark.parametrize("job_type", JOB_TYPES)
def test_every_job_type_can_be_submitted(mine: APIClient, job_type: str) -> None:
    response = mine.post("/api/v1/jobs", {"job_type": job_type, "prompt": "a heron"})

    assert response.status_code == 201
    expected = JOB_TYPES[job_type].parameters(JOB_TYPES[job_type].default_aspect)
    assert response.json()["parameters"] == expected


def test_everything_sent_is_used(mine: APIClient, owner: User) -> None:
    """pitfall 8, pitfall 31: seed 0 is a seed, an aspect changes the size."""
    project = create_project(owner_id=owner.pk, name="Harbour")
    sent = {
        "job_type": "sdxl_image_high",
        "prompt": "boats",
        "negative_prompt": "fog",
        "quantity": 3,
        "seed": 0,
        "aspect": "16:9",
        "project": str(project.pk),
        "review": True,
    }

    job = mine.post("/api/v1/jobs", sent).json()

    assert {name: job[name] for name in sent} == sent
    assert (job["width"], job["height"]) == (1344, 768)
    assert [image["seed"] for image in job["images"]] == [0, 1, 2]


def test_submission_costs_the_same_queries_for_one_and_for_six(mine: APIClient) -> None:
    mine.post("/api/v1/jobs", SIX)  # makes the default project

    counts = []
    for quantity in (1, 6):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert mine.post("/api/v1/jobs", SIX | {"quantity": quantity}).status_code == 201
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_same_key_and_body_answer_with_the_same_job(mine: APIClient) -> None:
    first = mine.post("/api/v1/jobs", SIX, HTTP_IDEMPOTENCY_KEY="a-key")
    again = mine.post("/api/v1/jobs", SIX, HTTP_IDEMPOTENCY_KEY="a-key")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert Job.objects.count() == 1


def test_a_key_used_for_another_body_is_refused(mine: APIClient) -> None:
    mine.post("/api/v1/jobs", SIX, HTTP_IDEMPOTENCY_KEY="a-key")

    response = mine.post("/api/v1/jobs", SIX | {"quantity": 1}, HTTP_IDEMPOTENCY_KEY="a-key")

    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["Idempotency-Key"]
    assert Job.objects.count() == 1


def test_two_people_may_use_the_same_key(mine: APIClient, stranger: APIClient) -> None:
    first = mine.post("/api/v1/jobs", SIX, HTTP_IDEMPOTENCY_KEY="a-key").json()
    other = stranger.post("/api/v1/jobs", SIX, HTTP_IDEMPOTENCY_KEY="a-key").json()

    assert first["id"] != other["id"]


def test_work_beyond_the_limit_is_refused_and_leaves_nothing(mine: APIClient, settings: LazySettings) -> None:
    """pitfall 34: a limit that is shown is enforced."""
    settings.MAX_ACTIVE_JOBS = 1
    mine.post("/api/v1/jobs", SIX)

    response = mine.post("/api/v1/jobs", SIX)

    assert response.status_code == 429
    assert response.json()["code"] == "over_limit"
    assert (Job.objects.count(), Image.objects.count()) == (1, 6)
