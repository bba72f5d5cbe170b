"""Collections, tags, projects, titles and bulk operations by REST."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User

from generation.models import Asset, Project
from tests.factories import complete, make_job
from tests.generation.api.conftest import JSONClient

V1 = "/api/v1"


@pytest.fixture
def ids(owner: User) -> list[str]:
    """Three images in the Library, the newest first."""
    return [str(complete(make_job(owner, prompt=f"fox {number}"))[0].pk) for number in range(3)][::-1]


def listed(client: JSONClient, **query: str) -> list[str]:
    return [asset["id"] for asset in client.get(f"{V1}/assets", query).json()["assets"]]


@pytest.mark.parametrize("kind", ["collections", "tags"])
def test_collections_and_tags_from_making_to_restoring(mine: JSONClient, ids: list[str], kind: str) -> None:
    one, two = (mine.post(f"{V1}/{kind}", {"name": name}).json() for name in ("Sea", "Lake"))
    field = kind.removesuffix("s")
    assert mine.post(f"{V1}/{kind}", {"name": "SEA"}).status_code == 422
    assert mine.post(f"{V1}/{kind}/{one['id']}/add", {"assets": ids[:2]}).json() == {"changed": 2}
    assert mine.post(f"{V1}/{kind}/{two['id']}/add", {"assets": ids[1:]}).json() == {"changed": 2}
    assert listed(mine, **{field: one["id"]}) == ids[:2]

    merged = mine.post(f"{V1}/{kind}/{one['id']}/merge", {"into": two["id"]})

    assert (merged.status_code, merged.json()["status"], merged.json()["changed"]) == (202, "done", 1)
    assert listed(mine, **{field: two["id"]}) == ids
    assert mine.get(f"{V1}/{kind}/{one['id']}").status_code == 404
    assert mine.post(f"{V1}/operations/{merged.json()['id']}/undo").json()["status"] == "undone"
    assert mine.get(f"{V1}/{kind}/{one['id']}").json()["count"] == 2
    assert mine.post(f"{V1}/operations/{merged.json()['id']}/undo").status_code == 409
    assert mine.patch(f"{V1}/{kind}/{one['id']}", {"name": "Ocean"}).json()["name"] == "Ocean"
    assert mine.delete(f"{V1}/{kind}/{one['id']}").status_code == 204
    page = mine.get(f"{V1}/{kind}").json()
    assert ([item["name"] for item in page["items"]], page["next_cursor"]) == (["Lake"], "")
    assert mine.post(f"{V1}/{kind}/{one['id']}/restore").json()["count"] == 2
    assert mine.post(f"{V1}/{kind}/{one['id']}/remove", {"assets": ids}).json() == {"changed": 2}


def test_an_operation_on_all_that_match(mine: JSONClient, stranger: JSONClient, ids: list[str]) -> None:
    asked: dict[str, Any] = {"action": "rate", "rating": 4, "filter": {"q": "fox"}}
    made = mine.post(f"{V1}/operations", asked).json()

    assert (made["status"], made["total"], made["changed"]) == ("done", 3, 3)
    assert [one["id"] for one in mine.get(f"{V1}/operations").json()["operations"]] == [made["id"]]
    assert stranger.post(f"{V1}/operations/{made['id']}/undo").status_code == 404
    assert mine.post(f"{V1}/operations/{made['id']}/cancel").status_code == 409
    assert mine.post(f"{V1}/operations", {"action": "discard"}).json()["changed"] == 3
    assert mine.post(f"{V1}/operations", {"action": "delete"}).json()["changed"] == 3
    assert not Asset.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "dissolve"}, "action"),
        ({"action": "move"}, "project"),
        ({"action": "add_tag"}, "tag"),
        ({"action": "rate", "rating": 6}, "rating"),
        ({"action": "rate", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "rate", "filter": {"collection": "x"}}, "filter.collection"),
        ({"action": "rate", "filter": {"q": "x" * 201}}, "filter.q"),
    ],
)
def test_what_an_operation_cannot_use_is_named(mine: JSONClient, body: dict[str, Any], field: str) -> None:
    answer = mine.post(f"{V1}/operations", body)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_projects_hold_what_is_moved_there(mine: JSONClient, ids: list[str], owner: User) -> None:
    project = mine.post(f"{V1}/projects", {"name": "Foxes"}).json()
    moved = mine.post(f"{V1}/assets/move", {"assets": ids[:2], "project": project["id"]})
    assert moved.json() == {"changed": 2}
    assert mine.get(f"{V1}/projects/{project['id']}").json()["library_images"] == 2
    assert mine.patch(f"{V1}/projects/{project['id']}", {"name": "Vixens"}).json()["name"] == "Vixens"
    default = Project.objects.get(owner=owner, is_default=True)
    assert mine.post(f"{V1}/projects/{default.pk}/delete", {"assets": "move"}).status_code == 422

    gone = mine.post(f"{V1}/projects/{project['id']}/delete", {"assets": "trash"}).json()

    assert (gone["status"], gone["changed"]) == ("done", 2)
    assert listed(mine) == ids[2:]
    mine.post(f"{V1}/operations/{gone['id']}/undo")
    assert listed(mine, project=project["id"]) == ids[:2]
    merged = mine.post(f"{V1}/projects/{project['id']}/merge", {"into": str(default.pk)})
    assert merged.status_code == 202
    assert [one["stored_bytes"] > 0 for one in mine.get(f"{V1}/projects").json()["projects"]] == [True]
    assert mine.post(f"{V1}/assets/move", {"assets": ids, "project": project["id"]}).status_code == 404


def test_a_title_and_deleting_for_good(mine: JSONClient, ids: list[str]) -> None:
    assert mine.patch(f"{V1}/assets/{ids[0]}", {"title": " Keeper\n"}).json()["title"] == "Keeper"
    assert listed(mine, q="keeper") == [ids[0]]
    assert mine.patch(f"{V1}/assets/{ids[0]}", {"title": "x" * 201}).status_code == 422
    assert mine.patch(f"{V1}/assets/{uuid.uuid4()}", {"title": "x"}).status_code == 404
    mine.post(f"{V1}/assets/discard", {"assets": ids[:2]})
    assert mine.post(f"{V1}/assets/delete", {"assets": ids}).json() == {"changed": 2}
    assert listed(mine) == ids[2:]
