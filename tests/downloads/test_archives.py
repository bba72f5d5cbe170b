"""ZIP files of a selection, and the Library's metadata as JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import uuid
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads import archives
from downloads.models import Archive
from generation.assets import groupings, memberships
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.media import storage
from generation.models import Asset
from tests import acting, factories
from tests.acting import user_actor

JSON = {"Accept": "application/json"}


@pytest.fixture
def owner(db: None) -> User:
    return factories.make_user("owner")


@pytest.fixture
def reader(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def saved(owner: User, count: int = 3, prompt: str = "a lighthouse", **submission: Any) -> list[Asset]:
    submission = {"quantity": count} | submission
    return factories.complete(factories.make_job(owner, prompt=prompt, **submission))


def ids(assets: list[Asset]) -> dict[str, list[str]]:
    return {"asset": [str(asset.pk) for asset in assets]}


def whole(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def prepared(client: Client, fields: dict[str, Any]) -> str:
    answer = client.post("/downloads/", fields, headers=JSON)
    assert answer.status_code == 200, answer.content
    url: str = answer.json()["url"]
    return url


def test_a_selection_comes_as_one_file_of_the_announced_size(reader: Client, owner: User) -> None:
    """With the originals byte for byte, and what made them as JSON and as a table."""
    assets = saved(owner, prompt='=cmd() | 灯台, "quoted"\nsecond line', negative_prompt="rain", seed=7)
    saved(owner, prompt="not selected")
    url = prepared(reader, ids(assets))

    response = reader.get(url)
    content = whole(response)

    assert response["Content-Length"] == str(len(content))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        rows = json.loads(archive.read("parameters.json"))
        table = list(csv.DictReader(io.StringIO(archive.read("parameters.csv").decode("utf-8-sig"))))
        assert len(archive.namelist()) == len(assets) + 2
        by_id = {str(asset.pk): asset for asset in assets}
        for row, line in zip(rows, table, strict=True):
            asset = by_id.pop(row["id"])
            with asset.file.open() as original:
                assert archive.read(row["file"]) == original.read()
            assert (row["seed"], row["negative_prompt"], row["prompt"]) == (asset.seed, "rain", asset.prompt)
            assert row["parameters"]["steps"] == 15
            assert line["prompt"] == "'" + asset.prompt  # no formula for a spreadsheet
    assert not by_id


def test_a_download_that_broke_off_goes_on_with_the_same_bytes(reader: Client, owner: User) -> None:
    """Also when the assets have been rated meanwhile."""
    assets = saved(owner)
    url = prepared(reader, ids(assets))
    first = reader.get(url)
    content = whole(first)
    acting.rate(owner_id=owner.pk, assets=[assets[0].pk], rating=5)

    for start in (0, 1, 40, len(content) // 2, len(content) - 1):
        rest = reader.get(url, headers={"Range": f"bytes={start}-", "If-Range": first["ETag"]})
        assert (rest.status_code, whole(rest)) == (206, content[start:])
        assert rest["Content-Range"] == f"bytes {start}-{len(content) - 1}/{len(content)}"
    middle = reader.get(url, headers={"Range": "bytes=10-19"})
    assert whole(middle) == content[10:20]
    assert reader.get(url, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    head = reader.head(url)
    assert (head["Content-Length"], head.content) == (str(len(content)), b"")


def test_all_that_match_but_those_excluded_come_in_parts(
    reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, newest first, and nothing that was saved after the archive was made."""
    monkeypatch.setattr(archives, "PART_FILES", 2)
    monkeypatch.setattr(archives, "PARTS_AT_ONCE", 2)
    matching = [*saved(owner, 6), *saved(owner, 1)]
    saved(owner, 1, prompt="a fox", job_type="video_fast")
    out = matching.pop(2)

    page = prepared(reader, {"all": "1", "media": "image", "except": str(out.pk)})
    saved(owner, 1)
    assert "Prepare the next parts" in reader.get(page).content.decode()
    reader.post(f"{page}more")
    reader.post(f"{page}more")

    html = reader.get(page).content.decode()
    assert "Prepare the next parts" not in html
    found: list[str] = []
    for number in (1, 2, 3):
        with zipfile.ZipFile(io.BytesIO(whole(reader.get(f"{page}{number}.zip")))) as archive:
            found += [row["id"] for row in json.loads(archive.read("parameters.json"))]
    newest_first = sorted(matching, key=lambda asset: (asset.saved_at, asset.pk), reverse=True)
    assert found == [str(asset.pk) for asset in newest_first]
    assert reader.get(f"{page}4.zip").status_code == 404


def test_equal_names_get_numbers(reader: Client, owner: User) -> None:
    same = [saved(owner, 1, prompt=prompt, seed=5)[0] for prompt in ("A Fox", "a fox", "a fox")]
    with zipfile.ZipFile(io.BytesIO(whole(reader.get(prepared(reader, ids(same)))))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
    assert names == ["a-fox-5-1.png", "a-fox-5-1 (2).png", "a-fox-5-1 (3).png"]


@pytest.mark.parametrize(("constant", "value"), [("MAX_BYTES", 12_000_000), ("PART_PARAMETER_BYTES", 4_000)])
def test_a_part_ends_before_it_grows_too_large(
    reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch, constant: str, value: int
) -> None:
    saved(owner, 6)
    if constant == "MAX_BYTES":
        Asset.objects.update(byte_size=2_000_000)
    monkeypatch.setattr(archives, constant, value)

    archive = Archive.objects.get(pk=prepared(reader, {"all": "1"}).split("/")[2])

    counts = list(archive.parts.order_by("number").values_list("count", flat=True))
    assert len(counts) > 1
    assert sum(counts) == 6


def test_a_file_that_is_gone_ends_the_download_and_is_logged(reader: Client, owner: User) -> None:
    """Rather than an archive that looks whole."""
    assets = saved(owner)
    url = prepared(reader, ids(assets))
    storage.delete_quietly(assets[1].file.name)
    with pytest.raises(FileNotFoundError):
        whole(reader.get(url))


def test_nothing_selected_is_said(reader: Client, owner: User) -> None:
    [asset] = saved(owner, 1)
    [other] = saved(owner, 1)  # which an empty selection does not mean
    acting.discard(owner_id=owner.pk, assets=[asset.pk])
    for fields in ({}, ids([asset]), {"asset": "nonsense"}, {"all": "1", "except": str(other.pk)}):
        answer = reader.post("/downloads/", fields, headers=JSON)
        assert (answer.status_code, answer.json()["message"]) == (422, "Nothing is selected.")
    too_many = {"asset": [str(uuid.uuid4()) for _ in range(501)]}
    assert reader.post("/downloads/", too_many, headers=JSON).status_code == 422
    assert not Archive.objects.exists()


def test_a_search_that_cannot_be_carried_out_is_refused_in_words(reader: Client, owner: User) -> None:
    saved(owner, 1)
    bad = {"all": "1", "q": "-"}
    for answer in (reader.post("/downloads/", bad), reader.get("/downloads/library.jsonl", bad)):
        assert answer.status_code == 422
        assert "There is no word in this to search for." in answer.content.decode()


def test_a_stranger_finds_nothing(reader: Client, owner: User) -> None:
    page = prepared(reader, ids(saved(owner)))
    archive = page.split("/")[2]
    stranger = Client()
    stranger.force_login(factories.make_user("stranger"))

    for address in (page, f"/downloads/{archive}/", f"/downloads/{archive}/1.zip"):
        assert stranger.get(address).status_code == 404
    assert stranger.post(f"/downloads/{archive}/more").status_code == 404
    assert stranger.post("/downloads/", ids(list(Asset.objects.all())), headers=JSON).status_code == 422
    assert whole(stranger.get("/downloads/library.jsonl")) == b""


def test_archives_end_after_two_days_and_a_user_has_few(
    reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 35."""
    monkeypatch.setattr(archives, "MAX_OF_OWNER", 2)
    assets = saved(owner)
    urls = [prepared(reader, ids(assets)) for _ in range(3)]
    assert [reader.get(url).status_code for url in urls] == [404, 200, 200]

    Archive.objects.update(created_at=timezone.now() - timedelta(hours=49))
    assert [reader.get(url).status_code for url in urls] == [404, 404, 404]
    assert archives.delete_old_archives() == 2
    assert not Archive.objects.exists()


def test_the_export_has_a_line_for_each_asset_that_matches(
    reader: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("downloads.export.ROWS_AT_ONCE", 2)
    images = saved(owner, 6, prompt="line\u2028separator")
    saved(owner, 1, job_type="video_fast")

    response = reader.get("/downloads/library.jsonl?media=image")

    lines = [json.loads(line) for line in whole(response).split(b"\n") if line]
    assert sorted(line["id"] for line in lines) == sorted(str(asset.pk) for asset in images)
    assert {line["prompt"] for line in lines} == {images[0].prompt}


def test_an_archive_costs_the_same_queries_however_many(
    reader: Client, owner: User, django_assert_num_queries: Any
) -> None:
    some, many = saved(owner, 1), [asset for _ in range(4) for asset in saved(owner, 6)]
    with django_assert_num_queries(17):
        prepared(reader, ids(some))
    with django_assert_num_queries(17):
        prepared(reader, ids(many))
    url = prepared(reader, ids(many))
    with django_assert_num_queries(3):  # session, user, part: none while it is sent
        whole(reader.get(url))


def test_files_that_leave_say_tags_and_collections(reader: Client, owner: User) -> None:
    """JSON, the table and JSON Lines by name, in as many queries for many as for one."""
    assets = saved(owner, quantity=3)
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": user_actor(owner.pk)}
    tag, box = (groupings.create(kind, name="=Sea", **who) for kind in (TAGS, COLLECTIONS))
    memberships.add(TAGS, group_id=tag.pk, assets=[asset.pk for asset in assets[:2]], **who)
    memberships.add(COLLECTIONS, group_id=box.pk, assets=[assets[0].pk], **who)

    with zipfile.ZipFile(io.BytesIO(whole(reader.get(prepared(reader, ids(assets)))))) as archive:
        rows = json.loads(archive.read("parameters.json"))
        table = list(csv.DictReader(io.StringIO(archive.read("parameters.csv").decode("utf-8-sig"))))
    lines = [json.loads(line) for line in whole(reader.get("/downloads/library.jsonl")).splitlines()]
    for found in (rows, lines):
        said = {row["id"]: (row["tags"], row["collections"]) for row in found}
        assert said == {
            str(assets[0].pk): (["=Sea"], ["=Sea"]),
            str(assets[1].pk): (["=Sea"], []),
            str(assets[2].pk): ([], []),
        }
    assert {line["tags"] for line in table} == {'["=Sea"]', "[]"}
