"""Reference images over REST: uploaded raw, named by a submission, private."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from generation.catalog.job_types import JOB_TYPES
from generation.jobs.lease import lease
from generation.models import Job, Reference
from tests.factories import complete, make_job, make_worker, png
from tests.generation.api.conftest import JSONClient
from tests.generation.pictures import encoded, plain

URL = "/api/v1/references"
STYLED = {"job_type": "sdxl_image_fast", "prompt": "a heron"}


def put(client: JSONClient, content: bytes | None = None, content_type: str = "image/png") -> Any:
    return client.send("PUT", URL, png() if content is None else content, content_type)


def submit(client: JSONClient, *references: dict[str, Any], **more: Any) -> Any:
    return client.post("/api/v1/jobs", STYLED | {"references": list(references)} | more)


def test_an_uploaded_picture_is_named_and_used(mine: JSONClient) -> None:
    """pitfall 31"""
    kept = put(mine, encoded(plain(80, 60), "JPEG"), "image/jpeg")
    assert kept.status_code == 201
    picture = kept.json()
    assert (picture["width"], picture["height"], picture["content_type"]) == (80, 60, "image/jpeg")

    answer = submit(mine, {"type": "style", "strength": 0.25, "reference": picture["id"]})
    assert answer.status_code == 201
    expected = [{"type": "style", "strength": 0.25, "reference": picture["id"]}]
    assert answer.json()["references"] == expected
    assert mine.get(f"/api/v1/jobs/{answer.json()['id']}").json()["references"] == expected
    assert mine.get("/api/v1/jobs").json()["jobs"][0]["references"] == expected


def test_an_image_of_ones_own_is_used_as_a_copy(mine: JSONClient, owner: User) -> None:
    [image] = complete(make_job(owner))
    [used] = submit(mine, {"type": "composition", "image": str(image.pk)}).json()["references"]
    assert (used["type"], used["strength"]) == ("composition", 0.6)
    copy = mine.get(f"{URL}/{used['reference']}").json()
    assert copy["sha256"] == image.sha256
    assert b"".join(mine.get(copy["file"])) == png(shade=0)


def test_the_same_bytes_are_answered_with_the_same_reference(mine: JSONClient) -> None:
    assert put(mine).json() == put(mine).json()
    assert Reference.objects.count() == 1


def test_a_picture_is_its_owners_alone(mine: JSONClient, stranger: JSONClient) -> None:
    picture = put(mine).json()
    for path in (f"{URL}/{picture['id']}", picture["file"], picture["thumbnail"]):
        assert b"".join(mine.get(path))
        assert stranger.get(path).status_code == 404
        assert JSONClient().get(path).status_code == 401
    refusals = [
        submit(stranger, {"type": "style", "reference": named})
        for named in (picture["id"], str(uuid.uuid4()))
    ]
    assert [refusal.status_code for refusal in refusals] == [422, 422]
    assert refusals[0].json() == refusals[1].json()
    assert list(refusals[0].json()["errors"]) == ["references"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"not a picture", "image/png", 422),
        (b"", "image/png", 422),
        (png()[:-9], "image/png", 422),
        (png(), "image/gif", 415),
        (png(), "multipart/form-data", 415),
        (png(), "", 415),
        (b"{}", "application/json", 415),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_problem(
    mine: JSONClient, content: bytes, content_type: str, status: int
) -> None:
    refused = put(mine, content, content_type)
    assert refused.status_code == status
    assert refused.json()["status"] == status
    assert not Reference.objects.exists()


def test_a_body_that_is_too_large_is_refused(mine: JSONClient, settings: LazySettings) -> None:
    settings.MAX_REFERENCE_BYTES = len(png()) - 1
    assert put(mine).status_code == 413
    settings.MAX_REFERENCE_BYTES = len(png())
    assert put(mine).status_code == 201


def test_pictures_are_listed_newest_first_in_pages(mine: JSONClient, stranger: JSONClient) -> None:
    kept = [put(mine, png(shade=shade)).json() for shade in range(3)]
    first = mine.get(URL, {"limit": 2}).json()
    rest = mine.get(URL, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert first["references"] + rest["references"] == kept[::-1]
    assert rest["next_cursor"] == ""
    assert stranger.get(URL).json() == {"references": [], "next_cursor": ""}
    assert mine.get(URL, {"cursor": "elsewhere"}).status_code == 422


def test_a_removed_picture_makes_room(
    mine: JSONClient, stranger: JSONClient, settings: LazySettings, django_capture_on_commit_callbacks: Any
) -> None:
    """pitfall 34"""
    settings.REFERENCE_QUOTA_BYTES = 64 * 1024
    picture = put(mine).json()
    assert put(mine, png(shade=1)).status_code == 429
    url = f"{URL}/{picture['id']}"
    assert stranger.delete(url).status_code == 404
    with django_capture_on_commit_callbacks(execute=True):
        assert mine.delete(url).status_code == 204
    assert [mine.delete(url).status_code, mine.get(picture["file"]).status_code] == [404, 404]
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert put(mine, png(shade=1)).status_code == 201


def test_a_picture_that_a_job_needs_is_not_removed(mine: JSONClient) -> None:
    """pitfall 19"""
    picture = put(mine).json()["id"]
    job = submit(mine, {"type": "style", "reference": picture}).json()["id"]
    refused = mine.delete(f"{URL}/{picture}")
    assert (refused.status_code, refused.json()["code"]) == (409, "reference_in_use")
    mine.post(f"/api/v1/jobs/{job}/cancel")
    assert mine.delete(f"{URL}/{picture}").status_code == 204
    assert mine.get(f"/api/v1/jobs/{job}").json()["references"][0]["reference"] is None
    assert mine.post(f"/api/v1/jobs/{job}/retry").status_code == 409


def test_a_full_quota_is_told(mine: JSONClient, settings: LazySettings) -> None:
    """pitfall 34"""
    settings.REFERENCE_QUOTA_BYTES = 1
    refused = put(mine)
    assert (refused.status_code, refused.json()["code"]) == (429, "over_reference_quota")
    assert mine.get("/api/v1/me").json()["limits"]["reference_quota_bytes"] == 1


@pytest.mark.parametrize(
    ("reference", "field"),
    [
        ({"type": "mood"}, "references.0.type"),
        ({"type": "style", "strength": 1.5}, "references.0.strength"),
        ({"type": "style", "strength": "NaN"}, "references.0.strength"),
        ({"type": "style", "strength": "much"}, "references.0.strength"),
        ({"type": "style", "reference": 3}, "references.0.reference"),
        ({"type": "style", "url": "https://elsewhere.example/x.png"}, "references.0.url"),
        ({"type": "style"}, "references"),
        ({"type": "start_frame", "reference": str(uuid.uuid4())}, "references"),
        ("style", "references.0"),
    ],
)
def test_a_wrong_reference_is_refused_on_its_field(mine: JSONClient, reference: Any, field: str) -> None:
    """pitfall 19"""
    refused = submit(mine, reference)
    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == [field]
    assert not Job.objects.exists()


def test_a_key_covers_the_references(mine: JSONClient) -> None:
    picture = put(mine).json()["id"]
    asked = {"type": "style", "reference": picture}
    mine.defaults["HTTP_IDEMPOTENCY_KEY"] = "k"
    first = submit(mine, asked).json()["id"]
    assert submit(mine, asked).json()["id"] == first
    assert submit(mine, asked | {"strength": 0.1}).status_code == 422
    assert submit(mine).status_code == 422


def test_each_job_type_says_what_it_can_use(mine: JSONClient) -> None:
    told = {each["name"]: each["references"] for each in mine.get("/api/v1/job-types").json()["job_types"]}
    assert told == {name: list(job_type.references) for name, job_type in JOB_TYPES.items()}
    assert told["video_fast"] == ["start_frame", "end_frame"]


def test_a_job_that_no_live_worker_can_do_says_so(mine: JSONClient) -> None:
    """pitfall 19: it waits for a worker that can use the picture."""
    worker = make_worker()
    job_id = submit(mine, {"type": "style", "reference": put(mine).json()["id"]}).json()["id"]

    def served_by(*pools: str) -> bool:
        type(worker).objects.update(pools=list(pools), last_seen_at="2999-01-01T00:00Z")
        return bool(mine.get(f"/api/v1/jobs/{job_id}").json()["place"]["served"])

    assert not served_by("sdxl_image_fast", "sdxl_image_fast+composition")
    assert served_by("sdxl_image_fast+style")
    assert lease(worker=worker, engines=["sdxl"], pools=["sdxl_image_fast+style"]) is not None
