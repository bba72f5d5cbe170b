from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.factories import complete, make_job, make_worker


def test_a_reader_gets_what_is_new_and_nothing_twice(mine: APIClient, owner: User) -> None:
    """pitfall 23: whoever was away is shown exactly what was missed."""
    job = make_job(owner, quantity=3)
    first = mine.get("/api/v1/changes").json()
    assert [row["id"] for row in first["jobs"]] == [str(job.pk)]
    assert len(first["images"]) == 3

    nothing = mine.get(f"/api/v1/changes?after={first['revision']}").json()
    assert (nothing["jobs"], nothing["images"], nothing["more"]) == ([], [], False)

    complete(job)
    after = mine.get(f"/api/v1/changes?after={first['revision']}").json()
    assert [row["status"] for row in after["jobs"]] == ["completed"]
    assert [row["status"] for row in after["images"]] == ["completed"] * 3


def test_pages_of_changes_add_up(mine: APIClient, owner: User) -> None:
    make_job(owner, quantity=6)
    make_job(owner, "video_fast")

    seen, after, more = [], 0, True
    while more:
        page = mine.get(f"/api/v1/changes?after={after}&limit=2").json()
        seen += [row["revision"] for kind in ("jobs", "images", "videos") for row in page[kind]]
        after, more = page["revision"], page["more"]

    assert sorted(seen) == list(range(1, 10))
    assert after == mine.get("/api/v1/me").json()["revision"]


def test_a_stranger_learns_nothing(stranger: APIClient, owner: User) -> None:
    make_job(owner)

    answer = stranger.get("/api/v1/changes").json()

    assert (answer["jobs"], answer["images"], answer["revision"]) == ([], [], 0)


def test_a_revision_from_another_database_says_so(mine: APIClient) -> None:
    response = mine.get("/api/v1/changes?after=1000")

    assert (response.status_code, response.json()["code"]) == (410, "reload")


def test_changes_cost_the_same_queries_however_many(mine: APIClient, owner: User) -> None:
    worker = make_worker()
    counts = []
    for jobs in (1, 5):
        for _ in range(jobs):
            complete(make_job(owner, quantity=6), worker)
        with CaptureQueriesContext(connection) as queries:
            mine.get("/api/v1/changes")
        counts.append(len(queries))

    assert counts[0] == counts[1]
