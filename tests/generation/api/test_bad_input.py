"""Each wrong submission has a clear answer that names the field, and leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest

from generation.models import Image, Job, OwnerCounter, Project, Video
from tests.acting import create_project
from tests.factories import make_user
from tests.generation.api.conftest import JSONClient

GOOD: dict[str, Any] = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse"}


def assert_refused(response: Any, *fields: str, status: int = 422) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
    assert problem["status"] == status
    assert sorted(problem["errors"]) == sorted(fields)
    for model in (Job, Image, Video, OwnerCounter):
        assert not model.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", 4),
        ("quantity", 0),
        ("quantity", -1),
        ("quantity", True),
        ("quantity", 3.0),
        ("quantity", "3"),
        ("quantity", 10**30),
        ("job_type", "sdxl_image_slow"),
        ("job_type", None),
        ("job_type", 7),
        ("prompt", ""),
        ("prompt", "   \n "),
        ("prompt", "x" * 20_000),
        ("prompt", "a\0b"),
        ("prompt", 5),
        ("prompt", ["a"]),
        ("prompt", {"a": 1}),
        ("negative_prompt", "x" * 20_000),
        ("negative_prompt", "\0"),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 10**40),
        ("seed", 0.5),
        ("seed", False),
        ("seed", "0"),
        ("aspect", "5:1"),
        ("aspect", 1),
        ("project", "not-a-uuid"),
        ("project", 5),
        ("project", "0192f0c1-5d3a-7c7e-9f52-4f0f6f9f7f01"),
        ("review", "yes"),
        ("review", 1),
        ("references", [{"type": "style", "strength": 0.5}]),
        ("references", "style"),
        ("owner", 1),
        ("status", "completed"),
        ("a\0b", 1),
    ],
)
def test_a_wrong_field_is_named(mine: JSONClient, field: str, value: object) -> None:
    """pitfall 31, pitfall 33: what cannot be used is refused, also what is not the caller's to set."""
    response = mine.post("/api/v1/jobs", GOOD | {field: value})

    named = response.json()["errors"]
    assert any(name.startswith(field) for name in named), named
    assert_refused(response, *named)


def test_a_wan_job_takes_no_batch(mine: JSONClient) -> None:
    response = mine.post("/api/v1/jobs", GOOD | {"job_type": "image_fast", "quantity": 3})

    assert_refused(response, "quantity")


def test_every_wrong_field_is_named_at_once(mine: JSONClient) -> None:
    response = mine.post("/api/v1/jobs", GOOD | {"quantity": 4, "seed": -1, "aspect": "9:1", "prompt": ""})

    assert_refused(response, "quantity", "seed", "aspect", "prompt")


def test_missing_fields_are_named(mine: JSONClient) -> None:
    assert_refused(mine.post("/api/v1/jobs", {}), "job_type", "prompt")


def test_a_foreign_project_is_like_none(mine: JSONClient) -> None:
    """A stranger's project is not even admitted to exist."""
    foreign = create_project(owner_id=make_user().pk, name="Secret")

    response = mine.post("/api/v1/jobs", GOOD | {"project": str(foreign.pk)})

    assert_refused(response, "project")
    assert "Secret" not in response.content.decode()
    assert Project.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"job_type": "sdxl_image_fast", "prompt": NaN}',
        b'{"prompt": "caf\xe9"}',
        b"[" * 100_000,
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"[1, 2]",
        b"null",
        b'"text"',
    ],
    ids=["empty", "no json", "NaN", "latin-1", "deep", "long number", "a list", "null", "a string"],
)
def test_a_body_that_is_no_json_object_is_refused(mine: JSONClient, body: bytes) -> None:
    response = mine.send("POST", "/api/v1/jobs", body)

    assert_refused(response, *response.json()["errors"])


@pytest.mark.parametrize("field", ["prompt", "job_type", "aspect", "project", "\\ud800"])
def test_a_lone_surrogate_is_refused_cleanly(mine: JSONClient, field: str) -> None:
    body = b'{"job_type": "sdxl_image_fast", "prompt": "x", "%s": "\\ud800"}' % field.encode()

    response = mine.send("POST", "/api/v1/jobs", body)

    assert_refused(response, *response.json()["errors"])


def test_a_body_over_the_limit_is_refused(mine: JSONClient) -> None:
    body = b'{"prompt": "' + b"x" * (1024 * 1024) + b'"}'

    response = mine.send("POST", "/api/v1/jobs", body)

    assert_refused(response, status=413)


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_another_content_type_is_refused(mine: JSONClient, content_type: str) -> None:
    response = mine.send("POST", "/api/v1/jobs", b"prompt=x", content_type)

    assert_refused(response, status=415)


@pytest.mark.parametrize("key", ["x" * 201, "a b", "caf\xe9", ""])
def test_a_wrong_idempotency_key_is_refused(mine: JSONClient, key: str) -> None:
    response = mine.post("/api/v1/jobs", GOOD, HTTP_IDEMPOTENCY_KEY=key)

    assert_refused(response, "Idempotency-Key")


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/api/v1/jobs?cursor=nonsense", "cursor"),
        ("/api/v1/jobs?limit=0", "limit"),
        ("/api/v1/jobs?limit=100000", "limit"),
        ("/api/v1/assets?cursor=%00", "cursor"),
        ("/api/v1/assets?cursor=AAAA", "cursor"),
        ("/api/v1/assets?media=sound", "media"),
        ("/api/v1/assets?project=mine", "project"),
        ("/api/v1/assets?q=%00", "q"),
        ("/api/v1/assets?q=a*", "q"),
        ("/api/v1/assets?q=%25", "q"),
        ("/api/v1/assets?job_type=film", "job_type"),
        ("/api/v1/assets?shape=round", "shape"),
        ("/api/v1/assets?since=yesterday", "since"),
        ("/api/v1/assets?until=2026-02-30", "until"),
        ("/api/v1/assets?zone=../etc", "zone"),
        ("/api/v1/assets?since=2026-01-01&zone=Mars", "zone"),
        ("/api/v1/assets?seed=-1", "seed"),
        ("/api/v1/assets?seed=99999999999999999999", "seed"),
        ("/api/v1/assets/trash?cursor=nonsense", "cursor"),
        ("/api/v1/changes?after=-1", "after"),
        ("/api/v1/changes?after=x", "after"),
        ("/api/v1/changes?after=99999999999999999999", "after"),
    ],
)
def test_a_wrong_query_is_named(mine: JSONClient, url: str, field: str) -> None:
    assert_refused(mine.get(url), field)


@pytest.mark.parametrize("url", ["/api/v1/nothing", "/api/v1/jobs/5", "/api/v1/images/x/file", "/api/v1/"])
def test_an_unknown_address_is_a_problem_object(mine: JSONClient, url: str) -> None:
    assert_refused(mine.get(url), status=404)


def test_a_wrong_method_is_a_problem_object(mine: JSONClient) -> None:
    assert_refused(mine.delete("/api/v1/jobs"), status=405)
