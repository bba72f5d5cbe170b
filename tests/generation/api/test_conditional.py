"""304 for what has not changed, and never for what has."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from generation.models import Asset, Reference
from tests.acting import clear, discard, restore, retry
from tests.factories import call_back, complete, failed, lease_next, make_job, make_reference, make_worker
from tests.generation.api.conftest import client_of

EVERYTHING = ["jobs", "assets", "assets/trash", "changes", "me", "job-types", "projects", "references"]


def again(client: APIClient, path: str, tag: str, **headers: str) -> Any:
    return client.get(f"/api/v1/{path}", headers={"if-none-match": tag, **headers})


@pytest.mark.parametrize("path", EVERYTHING)
def test_what_has_not_changed_is_a_304_without_a_body(mine: APIClient, owner: User, path: str) -> None:
    complete(make_job(owner, quantity=3))
    first = mine.get(f"/api/v1/{path}")
    assert first["ETag"].startswith('W/"')
    second = again(mine, path, first["ETag"])
    assert (second.status_code, second.content, second["ETag"]) == (304, b"", first["ETag"])
    assert second["Cache-Control"] == first["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(("path", "most"), [("jobs", 4), ("assets", 3)])
def test_it_costs_a_few_queries_whatever_the_page_holds(
    mine: APIClient, owner: User, path: str, most: int
) -> None:
    for _ in range(3):
        complete(make_job(owner, quantity=6))
    tag = mine.get(f"/api/v1/{path}")["ETag"]
    with CaptureQueriesContext(connection) as queries:
        assert again(mine, path, tag).status_code == 304
    assert len(queries) <= most
    assert not any("prompt" in query["sql"] for query in queries)


def test_every_change_is_a_new_answer(mine: APIClient, owner: User) -> None:
    """Each step changes something, and is seen at once by all lists that show it."""
    worker = make_worker()
    job = make_job(owner, quantity=3)
    tags: dict[str, set[str]] = {"jobs": set(), "assets": set(), "assets/trash": set()}

    def look(*changed: str) -> None:
        for path, seen in tags.items():
            answer = mine.get(f"/api/v1/{path}")
            assert (answer["ETag"] not in seen) == (path in changed), (path, changed)
            for tag in seen - {answer["ETag"]}:
                assert again(mine, path, tag).status_code == 200
            assert again(mine, path, answer["ETag"]).status_code == 304
            seen.add(answer["ETag"])

    look(*tags)
    lease_next(worker)
    look("jobs")
    assets = list(Asset.objects.filter(job=job).order_by("id"))
    call_back(job := type(job).objects.get(pk=job.pk), failed(job, 0), failed(job, 1), failed(job, 2))
    look("jobs")
    retry(owner_id=owner.pk, job_id=job.pk)
    look("jobs")
    complete(job, worker)
    look("jobs", "assets")
    discard(owner_id=owner.pk, assets=[assets[0].pk])
    look("jobs", "assets", "assets/trash")
    restore(owner_id=owner.pk, assets=[assets[0].pk])
    look("jobs", "assets")
    discard(owner_id=owner.pk, assets=[assets[1].pk])
    look("jobs", "assets", "assets/trash")
    clear(owner_id=owner.pk)
    look("jobs")


def test_a_running_jobs_progress_is_never_taken_for_unchanged(mine: APIClient, owner: User) -> None:
    """Heartbeats take no revision."""
    job = make_job(owner)
    lease_next(make_worker())
    tag = mine.get("/api/v1/jobs")["ETag"]
    type(job).objects.filter(pk=job.pk).update(progress=40)
    answer = again(mine, "jobs", tag)
    assert (answer.status_code, answer.json()["jobs"][0]["progress"]) == (200, 40)


def test_a_reference_that_is_no_longer_kept_is_a_change(mine: APIClient, owner: User) -> None:
    """The chores remove it without a revision."""
    reference = make_reference(owner)
    job = make_job(owner)
    job.references.create(type="style", strength=0.5, reference=reference)
    type(job).objects.filter(pk=job.pk).update(status="cancelled", finished_at=timezone.now())
    job.assets.update(status="cancelled")
    tag = mine.get("/api/v1/jobs")["ETag"]
    assert again(mine, "jobs", tag).status_code == 304
    Reference.objects.all().delete()
    answer = again(mine, "jobs", tag)
    assert answer.status_code == 200
    assert answer.json()["jobs"][0]["references"][0]["reference"] is None


def test_a_tag_is_of_one_user_one_query_and_one_release(
    mine: APIClient, owner: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 24."""
    tag = mine.get("/api/v1/assets")["ETag"]
    other = client_of(User.objects.create(username="bob"))
    assert again(other, "assets", tag).status_code == 200
    assert again(mine, "assets?media=image", tag).status_code == 200
    settings.PAGE_BYTES = 65_536
    assert again(mine, "assets", tag).status_code == 200
    settings.PAGE_BYTES = 1024 * 1024
    assert again(mine, "assets", tag).status_code == 304
    monkeypatch.setattr("generation.http.conditional._release", lambda: "another")
    assert again(mine, "assets", tag).status_code == 200


def test_a_compressed_answer_has_the_same_tag(mine: APIClient, owner: User) -> None:
    for _ in range(3):
        complete(make_job(owner))
    plain = mine.get("/api/v1/assets", headers={"accept-encoding": "identity"})
    packed = mine.get("/api/v1/assets", headers={"accept-encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert plain["ETag"] == packed["ETag"]
    assert again(mine, "assets", packed["ETag"], **{"accept-encoding": "gzip"}).status_code == 304


@pytest.mark.parametrize("path", ["jobs", "assets"])
def test_a_caller_without_rights_is_told_so_whatever_it_has(mine: APIClient, owner: User, path: str) -> None:
    tag = mine.get(f"/api/v1/{path}")["ETag"]
    assert again(APIClient(), path, tag).status_code == 401
    assert "ETag" not in mine.get("/api/v1/nowhere")
