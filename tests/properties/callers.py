"""People over HTTP, one of them also following the change feed as a script would."""

from __future__ import annotations

from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from tests.acting import issue_personal_token
from tests.factories import make_user

V1 = "/api/v1"
# Hints, which never take a revision.
HINTS = ("progress", "stage")


class Person:
    """An owner as the server sees one: a personal token for the API, a session for the pages."""

    def __init__(self, name: str) -> None:
        self.user = make_user(name)
        token = issue_personal_token(owner_id=self.user.pk, name="script")
        self.http = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
        self.pages = Client()
        self.pages.force_login(self.user)

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(f"{V1}/{path}", query)

    def post(self, path: str, body: Any = None, **headers: Any) -> Any:
        return self.http.post(f"{V1}/{path}", body, format="json", **headers)


class Follower:
    """Reads `changes` step by step and keeps every row as it was last told."""

    def __init__(self, person: Person, page: int) -> None:
        self.person, self.page = person, page
        self.after = 0
        self.rows: dict[str, dict[str, Any]] = {}

    def read_on(self) -> set[str]:
        """The ids told now. Asserts that each came once, in the order of revisions, within its page."""
        told: list[str] = []
        more = True
        while more:
            response = self.person.get("changes", after=self.after, limit=self.page)
            assert response.status_code == 200, response.content
            page = response.json()
            rows = [*page["jobs"], *page["images"], *page["videos"]]
            revisions = sorted(row["revision"] for row in [*rows, *page["purged"]])
            assert len(set(revisions)) == len(revisions) <= self.page, "two rows with one revision"
            assert all(self.after < revision <= page["revision"] for revision in revisions)
            self.rows |= {row["id"]: row for row in rows}
            for gone in page["purged"]:
                self.rows.pop(gone["id"], None)
            told += [row["id"] for row in [*rows, *page["purged"]]]
            self.after, more = page["revision"], page["more"]
        assert len(set(told)) == len(told), "a row was told twice"
        return set(told)

    def job(self, job_id: str) -> dict[str, Any]:
        """A job and its assets by slot, as they were last told; as `GET /jobs/{id}` would tell them."""
        mine = [row for row in self.rows.values() if row.get("job") == job_id]
        images = [row for row in mine if "image_index" in row]
        videos = [row for row in mine if "image_index" not in row]
        by_slot = sorted(images, key=lambda row: row["image_index"] or 0)
        return self.rows[job_id] | {"images": by_slot, "video": videos[0] if videos else None}


def without_hints(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in HINTS}
