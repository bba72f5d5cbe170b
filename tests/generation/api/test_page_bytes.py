"""Pages bounded in bytes: shorter ones, of which no key is missing, and which add up to everything."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from generation.catalog.submission import PROMPT_LENGTH
from generation.models import Asset
from tests.acting import discard
from tests.factories import complete, make_job

BUDGET = 128 * 1024
JOBS = 12
LONG = "x" * PROMPT_LENGTH


@pytest.fixture(autouse=True)
def _budget(settings: LazySettings) -> None:
    settings.PAGE_BYTES = BUDGET


def pages_of(client: APIClient, path: str) -> list[Any]:
    """Every page from the first to the last."""
    pages, cursor = [], ""
    while True:
        answer = client.get(f"{path}?limit=200&cursor={cursor}")
        assert answer.status_code == 200
        assert len(answer.content) <= BUDGET + 200
        pages.append(answer.json())
        cursor = pages[-1]["next_cursor"]
        if not cursor:
            return pages


def test_pages_of_jobs_are_shorter_and_add_up(mine: APIClient, owner: User) -> None:
    """Pitfall 40: 200 jobs of six slots and long prompts were 26 MB."""
    jobs = [make_job(owner, quantity=6, prompt=LONG) for _ in range(JOBS)]
    pages = pages_of(mine, "/api/v1/jobs")
    assert len(pages) > 1
    found = [job for page in pages for job in page["jobs"]]
    assert [job["id"] for job in found] == [str(job.pk) for job in reversed(jobs)]
    assert all(
        job["place"] and len(job["images"]) == 6 and job["images"][5]["prompt"] == LONG for job in found
    )


@pytest.mark.parametrize("path", ["/api/v1/assets", "/api/v1/assets/trash"])
def test_pages_of_assets_are_shorter_and_add_up(mine: APIClient, owner: User, path: str) -> None:
    assets = [asset for _ in range(JOBS) for asset in complete(make_job(owner, quantity=3, prompt=LONG))]
    if path.endswith("trash"):
        for asset in assets:
            discard(owner_id=owner.pk, assets=[asset.pk])
    pages = pages_of(mine, path)
    assert len(pages) > 1
    found = [asset["id"] for page in pages for asset in page["assets"]]
    assert sorted(found) == sorted(str(asset.pk) for asset in assets)
    assert len(set(found)) == len(found)


def test_pages_of_changes_are_shorter_and_add_up(mine: APIClient, owner: User) -> None:
    for _ in range(JOBS):
        make_job(owner, quantity=6, prompt=LONG)
    seen, after, more, count = [], 0, True, 0
    while more:
        answer = mine.get(f"/api/v1/changes?after={after}")
        assert len(answer.content) <= BUDGET + 200
        page = answer.json()
        seen += [row["revision"] for kind in ("jobs", "images", "videos") for row in page[kind]]
        after, more, count = page["revision"], page["more"], count + 1
    assert sorted(seen) == list(range(1, JOBS * 7 + 1))
    assert after == mine.get("/api/v1/me").json()["revision"]
    assert count > 2


def test_a_row_that_alone_is_larger_is_a_page_of_its_own(
    mine: APIClient, owner: User, settings: LazySettings
) -> None:
    settings.PAGE_BYTES = 65_536
    for _ in range(2):
        complete(make_job(owner, quantity=6, prompt=LONG))
    Asset.objects.update(metadata={"note": "y" * 30_000})
    first = mine.get("/api/v1/jobs?limit=2").json()
    assert len(first["jobs"]) == 1
    second = mine.get(f"/api/v1/jobs?limit=2&cursor={first['next_cursor']}").json()
    assert (len(second["jobs"]), second["next_cursor"]) == (1, "")


def test_short_pages_do_not_come_of_small_rows(mine: APIClient, owner: User, settings: LazySettings) -> None:
    settings.PAGE_BYTES = 1024 * 1024
    for _ in range(70):
        make_job(owner)
    first = mine.get("/api/v1/jobs?limit=65").json()
    assert len(first["jobs"]) == 65
    rest = mine.get(f"/api/v1/jobs?limit=65&cursor={first['next_cursor']}").json()
    assert (len(rest["jobs"]), rest["next_cursor"]) == (5, "")
