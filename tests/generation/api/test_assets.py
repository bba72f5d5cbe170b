from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from generation.assets import groupings, memberships
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.models import Asset, Image
from tests.acting import create_project, user_actor
from tests.factories import complete, make_job, make_worker, mp4, png


def finished(owner: User, job_type: str = "sdxl_image_fast", **submission: Any) -> list[Asset]:
    return complete(make_job(owner, job_type, **submission))


def library(client: APIClient, query: str = "") -> list[str]:
    return [asset["id"] for asset in client.get(f"/api/v1/assets?{query}").json()["assets"]]


def test_images_and_videos_come_in_one_order(mine: APIClient, owner: User) -> None:
    first, video, last = finished(owner)[0], finished(owner, "video_fast")[0], finished(owner)[0]

    answer = mine.get("/api/v1/assets").json()

    assert [a["id"] for a in answer["assets"]] == [str(a.pk) for a in (last, video, first)]
    assert [a["media"] for a in answer["assets"]] == ["image", "video", "image"]
    assert answer["assets"][1]["frames"] == 8


def test_the_library_is_narrowed_by_media_project_and_words(mine: APIClient, owner: User) -> None:
    project = create_project(owner_id=owner.pk, name="Harbour")
    (boat,) = finished(owner, prompt="A red BOAT", project_id=project.pk)
    (clip,) = finished(owner, "video_fast", prompt="a clip")

    assert library(mine, "media=video") == [str(clip.pk)]
    assert library(mine, f"project={project.pk}") == [str(boat.pk)]
    assert library(mine, "q=red+boat") == [str(boat.pk)]
    assert library(mine, "q=100%25") == []
    assert library(mine, "job_type=video_fast") == library(mine, f"seed={clip.seed}") == [str(clip.pk)]
    assert library(mine, "shape=square&q=-boat") == [str(clip.pk)]
    assert library(mine, "since=2000-01-01&until=2020-01-01&zone=Europe/Paris") == []
    assert len(library(mine, "since=2000-01-01&rating=0&favourite=false")) == 2


def test_pages_meet_without_a_gap(mine: APIClient, owner: User) -> None:
    """pitfall 26"""
    finished(owner, quantity=6)
    finished(owner, "video_fast")

    seen, cursor = [], ""
    for _ in range(4):
        page = mine.get(f"/api/v1/assets?limit=2&cursor={cursor}").json()
        seen += [asset["id"] for asset in page["assets"]]
        cursor = page["next_cursor"]

    assert (len(seen), len(set(seen)), cursor) == (7, 7, "")


def test_a_page_costs_the_same_queries_for_one_and_for_many(mine: APIClient, owner: User) -> None:
    worker = make_worker()
    counts = []
    for jobs in (1, 4):
        for _ in range(jobs):
            complete(make_job(owner, quantity=6), worker)
        with CaptureQueriesContext(connection) as queries:
            mine.get("/api/v1/assets")
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("job_type", "media", "content", "content_type"),
    [("sdxl_image_fast", "images", png(shade=0), "image/png"), ("video_fast", "videos", mp4(), "video/mp4")],
)
def test_the_owner_gets_the_exact_bytes(
    mine: APIClient, owner: User, job_type: str, media: str, content: bytes, content_type: str
) -> None:
    """pitfall 20, pitfall 21"""
    (asset,) = finished(owner, job_type)
    record = mine.get(f"/api/v1/{media}/{asset.pk}").json()

    response = mine.get(record["file"], HTTP_ACCEPT="image/*")
    assert response.getvalue() == content
    assert response["Content-Type"] == content_type
    assert "private" in response["Cache-Control"]
    thumbnail = mine.get(record["thumbnail"])
    assert thumbnail["Content-Type"] == "image/webp"
    assert thumbnail.getvalue()[8:12] == b"WEBP"


def test_a_download_is_an_attachment(mine: APIClient, owner: User) -> None:
    (asset,) = finished(owner)

    response = mine.get(f"/api/v1/images/{asset.pk}/file?download=1")

    assert response.getvalue()
    assert response["Content-Disposition"].startswith("attachment")
    assert ".png" in response["Content-Disposition"]


def test_a_stranger_gets_nothing(stranger: APIClient, owner: User) -> None:
    (asset,) = finished(owner)
    url = f"/api/v1/images/{asset.pk}"

    assert library(stranger) == []
    for address in (url, f"{url}/file", f"{url}/thumbnail", f"/api/v1/videos/{asset.pk}"):
        foreign = stranger.get(address)
        assert foreign.status_code == 404
        assert foreign.json() == stranger.get(address.replace(str(asset.pk), str(uuid.uuid4()))).json()


def test_a_result_that_is_not_there_has_no_file(mine: APIClient, owner: User) -> None:
    (slot,) = make_job(owner).slots

    record = mine.get(f"/api/v1/images/{slot.pk}").json()

    assert (record["status"], record["file"], record["thumbnail"]) == ("queued", None, None)
    assert mine.get(f"/api/v1/images/{slot.pk}/file").status_code == 404


def test_discard_and_restore_are_each_others_undo(mine: APIClient, owner: User) -> None:
    kept, dropped = (finished(owner)[0] for _ in range(2))

    answer = mine.post("/api/v1/assets/discard", {"images": [str(dropped.pk)]})

    assert answer.json() == {"changed": 1}
    assert library(mine) == [str(kept.pk)]
    trash = mine.get("/api/v1/assets/trash").json()["assets"]
    assert [asset["id"] for asset in trash] == [str(dropped.pk)]

    mine.post("/api/v1/assets/restore", {"images": [str(dropped.pk)]})
    assert library(mine) == [str(dropped.pk), str(kept.pk)]


def test_results_under_review_wait_until_saved(mine: APIClient, owner: User) -> None:
    (asset,) = finished(owner, "video_fast", review=True)
    assert library(mine) == []

    answers = [mine.post("/api/v1/assets/save", {"videos": [str(asset.pk)]}) for _ in range(2)]

    assert [answer.json()["changed"] for answer in answers] == [1, 0]
    assert library(mine) == [str(asset.pk)]


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("save", {}),
        ("discard", {}),
        ("restore", {}),
        ("rate", {"rating": 5}),
        ("favourite", {"favourite": True}),
    ],
)
def test_a_stranger_changes_nothing(
    stranger: APIClient, owner: User, action: str, fields: dict[str, object]
) -> None:
    (asset,) = finished(owner)

    answer = stranger.post(f"/api/v1/assets/{action}", {"images": [str(asset.pk)], **fields})

    assert answer.json() == {"changed": 0}
    assert Image.objects.get().revision == asset.revision


@pytest.mark.parametrize(
    "body", [{"images": "all"}, {"images": [5]}, {"images": ["x"]}, {"pictures": []}, {"images": None}]
)
def test_a_wrong_selection_is_refused(mine: APIClient, body: dict[str, object]) -> None:
    response = mine.post("/api/v1/assets/discard", body)

    assert response.status_code == 422
    assert next(iter(response.json()["errors"])).split(".")[0] == next(iter(body))


@pytest.mark.parametrize("names", [["assets", "assets"], ["images", "videos"], ["assets", "videos"]])
def test_assets_are_named_in_one_list_or_in_the_two_of_earlier_releases(
    mine: APIClient, owner: User, names: list[str]
) -> None:
    picture, clip = finished(owner)[0], finished(owner, "video_fast")[0]
    body: dict[str, list[str]] = {name: [] for name in names}
    for name, asset in zip(names, (picture, clip), strict=True):
        body[name].append(str(asset.pk))

    assert mine.post("/api/v1/assets/discard", body).json() == {"changed": 2}
    assert library(mine) == []
    assert mine.post("/api/v1/assets/restore", body).json() == {"changed": 2}
    assert set(library(mine)) == {str(picture.pk), str(clip.pk)}


def test_an_asset_is_read_by_its_id_alone(mine: APIClient, stranger: APIClient, owner: User) -> None:
    picture, clip = finished(owner)[0], finished(owner, "video_fast")[0]

    for asset, own in ((picture, "images"), (clip, "videos")):
        record = mine.get(f"/api/v1/assets/{asset.pk}").json()
        assert record == mine.get(f"/api/v1/{own}/{asset.pk}").json()
        assert record["media"] == own.removesuffix("s")
        assert stranger.get(f"/api/v1/assets/{asset.pk}").status_code == 404


def test_a_move_takes_five_hundred_at_most(mine: APIClient) -> None:
    body = {"images": [str(uuid.uuid4()) for _ in range(501)]}

    response = mine.post("/api/v1/assets/discard", body)

    assert (response.status_code, response.json()["code"]) == (422, "too_many")


def test_ratings_and_favourites_are_set_listed_and_filtered(mine: APIClient, owner: User) -> None:
    picture, clip = finished(owner)[0], finished(owner, "video_fast")[0]
    both = {"assets": [str(picture.pk), str(clip.pk)]}

    assert mine.post("/api/v1/assets/rate", both | {"rating": 3}).json() == {"changed": 2}
    assert mine.post("/api/v1/assets/rate", {"videos": [str(clip.pk)], "rating": 5}).json() == {"changed": 1}
    assert mine.post("/api/v1/assets/favourite", both | {"favourite": True}).json() == {"changed": 2}
    one = {"assets": [str(picture.pk)], "favourite": False}
    assert mine.post("/api/v1/assets/favourite", one).json() == {"changed": 1}

    record = mine.get(f"/api/v1/assets/{clip.pk}").json()
    assert (record["rating"], record["favourite"]) == (5, True)
    for query, found in (
        ({"rating": 4}, [clip]),
        ({"rating": 3}, [clip, picture]),
        ({"favourite": 1}, [clip]),
    ):
        listed = mine.get("/api/v1/assets", query).json()["assets"]
        assert [asset["id"] for asset in listed] == [str(asset.pk) for asset in found], query


@pytest.mark.parametrize(
    ("action", "fields", "wrong"),
    [
        ("rate", {"rating": 6}, "rating"),
        ("rate", {"rating": -1}, "rating"),
        ("rate", {"rating": "5"}, "rating"),
        ("rate", {}, "rating"),
        ("favourite", {"favourite": 1}, "favourite"),
        ("favourite", {}, "favourite"),
    ],
)
def test_a_wrong_rating_is_refused(
    mine: APIClient, owner: User, action: str, fields: dict[str, object], wrong: str
) -> None:
    (asset,) = finished(owner)

    response = mine.post(f"/api/v1/assets/{action}", {"assets": [str(asset.pk)], **fields})

    assert response.status_code == 422
    assert list(response.json()["errors"]) == [wrong]
    assert Image.objects.get().revision == asset.revision


def test_a_record_names_its_tags_and_collections(mine: APIClient, owner: User) -> None:
    """In a constant number of queries; a tag that is renamed makes the kept answer an old one."""
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": user_actor(owner.pk)}
    assets = finished(owner, quantity=3)
    tags = [groupings.create(TAGS, name=name, **who) for name in ("sea", "Red")]
    box = groupings.create(COLLECTIONS, name="Box", **who)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            mine.get("/api/v1/assets")
        return len(asked)

    none = queries()
    for asset in assets[:2]:
        memberships.add(TAGS, group_id=tags[0].pk, assets=[asset.pk], **who)
    memberships.add(TAGS, group_id=tags[1].pk, assets=[assets[0].pk], **who)
    memberships.add(COLLECTIONS, group_id=box.pk, assets=[assets[0].pk], **who)
    assert queries() == none

    records = {record["id"]: record for record in mine.get("/api/v1/assets").json()["assets"]}
    expected = {
        "tags": [{"id": str(tags[1].pk), "name": "Red"}, {"id": str(tags[0].pk), "name": "sea"}],
        "collections": [{"id": str(box.pk), "name": "Box"}],
    }
    first, second, third = (records[str(asset.pk)] for asset in assets)
    assert {name: first[name] for name in expected} == expected
    assert [tag["name"] for tag in second["tags"]] == ["sea"]
    assert third["tags"] == third["collections"] == []
    read = mine.get(f"/api/v1/assets/{assets[0].pk}").json()
    assert {name: read[name] for name in expected} == expected

    kept = mine.get("/api/v1/assets")["ETag"]
    assert mine.get("/api/v1/assets", headers={"If-None-Match": kept}).status_code == 304
    groupings.rename(TAGS, group_id=tags[0].pk, name="ocean", **who)
    again = mine.get("/api/v1/assets", headers={"If-None-Match": kept})
    assert again.status_code == 200
    groupings.delete(TAGS, group_id=tags[0].pk, **who)
    assert mine.get(f"/api/v1/assets/{assets[1].pk}").json()["tags"] == []
