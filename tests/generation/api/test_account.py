from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from generation.catalog.job_types import JOB_TYPES
from generation.models import Project
from tests.factories import complete, make_job


def test_every_job_type_is_listed_with_its_sizes(mine: APIClient) -> None:
    listed = {job_type["name"]: job_type for job_type in mine.get("/api/v1/job-types").json()["job_types"]}

    assert list(listed) == list(JOB_TYPES)
    assert listed["sdxl_image_fast"]["quantities"] == [1, 3, 6]
    assert listed["video_high"]["sizes"]["9:16"] == [480, 832]
    assert listed["video_high"]["default_aspect"] == "9:16"


def test_use_is_counted_per_owner(mine: APIClient, stranger: APIClient, owner: User) -> None:
    (image,) = complete(make_job(owner))
    make_job(owner)

    use = mine.get("/api/v1/me").json()["use"]

    size = image.byte_size
    assert use == {"active_jobs": 1, "images": 1, "videos": 0, "bytes": size, "stored_bytes": size}
    assert set(stranger.get("/api/v1/me").json()["use"].values()) == {0}


def test_limits_are_told(mine: APIClient, settings: LazySettings) -> None:
    settings.MAX_ACTIVE_JOBS = 7
    settings.STORAGE_QUOTA_BYTES = 1000

    limits = mine.get("/api/v1/me").json()["limits"]
    assert (limits["active_jobs"], limits["storage_bytes"]) == (7, 1000)


def test_a_project_is_made_and_listed_to_its_owner_alone(mine: APIClient, stranger: APIClient) -> None:
    made = mine.post("/api/v1/projects", {"name": "Harbour"})

    assert made.status_code == 201
    assert mine.get("/api/v1/projects").json() == {"projects": [made.json()]}
    assert stranger.get("/api/v1/projects").json() == {"projects": []}


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\0b", "a\x07b", 5, None])
def test_a_wrong_name_is_refused(mine: APIClient, name: object) -> None:
    response = mine.post("/api/v1/projects", {"name": name})

    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["name"]
    assert not Project.objects.exists()


def test_a_name_is_taken_once(mine: APIClient, stranger: APIClient) -> None:
    answers = [client.post("/api/v1/projects", {"name": "A"}) for client in (mine, mine, stranger)]

    assert [answer.status_code for answer in answers] == [201, 422, 201]
