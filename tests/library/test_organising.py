"""Collections, tags, projects, titles and bulk operations on the pages: as plain forms, and live."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from generation.assets import operation_sources, operation_work, operations
from generation.models import Action, Asset, BulkOperation, Collection, Project, Source, Tag
from library.views import bulk
from tests import acting
from tests.library.conftest import made, many, shown
from tests.library.test_live import assets as told
from tests.library.test_live import content, revision, socket

JSON = {"Accept": "application/json"}


@pytest.fixture
def three(owner: User) -> list[str]:
    """The ids of three images, the newest first."""
    return [str(made(owner, "a fox", quantity=1)[0].pk) for _ in range(3)][::-1]


def post(reader: Client, path: str, **fields: Any) -> str:
    """The page that a plain form leads to."""
    return reader.post(f"/library/{path}", fields, follow=True).content.decode()


def page(reader: Client, query: str = "") -> list[str]:
    return shown(reader.get(f"/library/?{query}").content.decode())


def undo(reader: Client, html: str) -> str:
    """Press the toast's Undo."""
    [address] = re.findall(r'formaction="([^"]+)" data-undo', html.partition('<template id="toast">')[0])
    return reader.post(address, follow=True).content.decode()


def test_a_selection_is_tagged_found_by_it_and_untagged(reader: Client, three: list[str]) -> None:
    html = post(reader, "add-tag", asset=three[:2], add_tag="  Sea ")
    tag = Tag.objects.get()

    assert "Tagged 2 with “Sea”." in html
    assert page(reader, f"tag={tag.pk}") == three[:2]
    assert page(reader, f"tag={tag.pk}&q=fox") == three[:2]
    assert page(reader, f"tag={tag.pk}&favourite=1") == []
    details = reader.get(f"/library/image/{three[0]}/").content.decode()
    assert f'href="/library/?tag={tag.pk}">Sea</a>' in details
    assert "Nothing was changed." in post(reader, "add-tag", asset=three[:2], add_tag="SEA")
    assert "Undone." in undo(reader, html)
    assert page(reader, f"tag={tag.pk}") == []
    assert "You have no tag of that name." in post(reader, "remove-tag", asset=three, add_tag="lake")
    assert "A tag name has 1 to 80 characters." in post(reader, "add-tag", asset=three, add_tag=" ")
    post(reader, "add-tag", asset=three, add_tag="sea")
    assert "off 1." in post(reader, "remove-tag", asset=three[:1], add_tag="sea")
    assert page(reader, f"tag={tag.pk}") == three[1:]
    assert page(reader, "tag=nonsense") == three, "the page shows the filter that it applies"


def test_all_that_match_but_some_in_one_operation(
    reader: Client, owner: User, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pitfall 28"""
    made(owner, "a lighthouse", quantity=1)
    everything = {"all": "1", "q": "fox", "except": three[1]}

    html = post(reader, "add-to-collection", add_collection="Foxes", **everything)

    collection = Collection.objects.get()
    assert "Added 2 to “Foxes”." in html
    assert page(reader, f"collection={collection.pk}") == [three[0], three[2]]
    assert "Added 2 to the favourites." in post(reader, "favourite", **everything)
    html = post(reader, "rate?stars=4", **everything)
    assert page(reader, "rating=4") == [three[0], three[2]]
    undo(reader, html)
    assert page(reader, "rating=1") == []

    monkeypatch.setattr(operation_sources, "CHUNK", 1)
    monkeypatch.setattr(bulk, "FIRST_SECONDS", 0)
    answer = reader.post("/library/discard", everything, headers=JSON).json()

    assert answer == {"ok": True, "message": "Discarding: 1 of 2. You can go on meanwhile."}
    html = reader.get("/library/").content.decode()
    assert "Discarding: 1 of 2" in html
    operation = BulkOperation.objects.get(finished_at=None)
    post(reader, f"operations/{operation.pk}/cancel")
    assert "Stopped. Moved 1 to the trash." in reader.get("/library/").content.decode()
    assert len(page(reader)) == 3
    monkeypatch.setattr(bulk, "FIRST_SECONDS", 9)
    post(reader, f"operations/{operation.pk}/undo")
    assert len(page(reader)) == 4
    assert f"operation-{operation.pk}" not in reader.get("/library/").content.decode(), "a toast said it"


def test_what_is_in_the_trash_is_deleted_one_by_one_and_at_once(reader: Client, three: list[str]) -> None:
    acting.discard(owner_id=Asset.objects.all()[0].owner_id, assets=[three[0], three[1]])
    assert "Deleted 1 for good." in post(reader, "trash/delete", asset=[three[0], three[2]])
    assert "Deleted 1 for good." in post(reader, "trash/empty")
    assert page(reader) == [three[2]]
    assert Asset.objects.count() == 1


def test_a_title_is_shown_found_and_taken_back(reader: Client, three: list[str]) -> None:
    html = post(reader, f"image/{three[0]}/title", title="  Keeper of\tthe light ")

    assert (
        '<h2 dir="auto">Keeper of the light</h2>'
        in reader.get(f"/library/image/{three[0]}/").content.decode()
    )
    assert page(reader, "q=keeper") == [three[0]]
    assert "A title has at most 200" in post(reader, f"image/{three[0]}/title", title="x" * 201)
    undo(reader, html)
    assert page(reader, "q=keeper") == []
    assert Asset.objects.get(pk=three[0]).title == ""


@pytest.mark.parametrize("kind", ["collection", "tag"])
def test_the_pages_of_collections_and_tags(reader: Client, owner: User, three: list[str], kind: str) -> None:
    model: Any = {"collection": Collection, "tag": Tag}[kind]
    put = "add-to-collection" if kind == "collection" else "add-tag"
    for name, some in (("Seas", three[:2]), ("Lakes", three[1:])):
        post(reader, put, asset=some, **{f"add_{kind}": name})
    lakes, seas = model.objects.order_by("-id")

    html = reader.get(f"/library/{kind}s/").content.decode()

    assert re.findall(r'class="name" dir="auto">([^<]+)<', html) == ["Lakes", "Seas"], "newest first"
    assert html.count("2 items") == 2
    assert f"/media/image/{three[0]}/thumbnail" in html
    assert "You already have" in post(reader, f"{kind}s/{seas.pk}/rename", name="LAKES")
    assert "Renamed to “Oceans”." in post(reader, f"{kind}s/{seas.pk}/rename", name="Oceans")
    merged = post(reader, f"{kind}s/{seas.pk}/merge", into=str(lakes.pk))
    assert "3 items" in merged
    assert "Oceans" not in merged.partition("<main")[2].partition('id="toasts"')[0]
    assert page(reader, f"{kind}={lakes.pk}") == three
    undo(reader, merged)
    assert reader.get(f"/library/{kind}s/").content.decode().count("2 items") == 2
    deleted = post(reader, f"{kind}s/{lakes.pk}/delete")
    assert "What was in it stays in the Library." in deleted
    assert len(page(reader)) == 3
    assert reader.get(f"/library/{kind}s/{lakes.pk}/edit").status_code == 404
    undo(reader, deleted)
    assert page(reader, f"{kind}={lakes.pk}") == three[1:]
    names = reader.get(f"/library/{kind}s/names").json()
    assert names == {"names": ["Lakes", "Oceans"]}


def test_a_project_is_renamed_merged_and_deleted(reader: Client, owner: User, three: list[str]) -> None:
    html = post(reader, "move", asset=three[:2], move_to="Foxes")
    foxes = Project.objects.get(name="Foxes")
    assert "Moved 2 to “Foxes”." in html
    assert page(reader, f"project={foxes.pk}") == three[:2]
    listed = reader.get("/library/projects/").content.decode()
    assert re.findall(r"(\d+ items?)", listed) == ["1 item", "2 items"]
    assert "Choose what happens" in post(reader, f"projects/{foxes.pk}/delete")
    default = Project.objects.get(is_default=True)
    assert "Your default project stays." in post(reader, f"projects/{default.pk}/delete", assets="move")

    html = post(reader, f"projects/{foxes.pk}/delete", assets="trash")

    assert "Moved 2 to “General” and to the trash." in html
    assert page(reader) == [three[2]]
    undo(reader, html)
    assert page(reader, f"project={foxes.pk}") == three[:2]
    post(reader, f"projects/{foxes.pk}/rename", name="Vixens")
    post(reader, f"projects/{foxes.pk}/merge", into=str(default.pk))
    assert page(reader, f"project={default.pk}") == three
    assert "Vixens" not in reader.get("/library/projects/").content.decode().partition('id="toasts"')[0]


def test_a_list_of_24_costs_as_many_queries_as_one(
    reader: Client, owner: User, django_assert_num_queries: Any
) -> None:
    rows = many(owner, 30)
    for number in range(24):
        post(reader, "add-tag", asset=[str(rows[number].pk)], add_tag=f"tag {number}")
        if number in {0, 23}:
            with django_assert_num_queries(7):  # session, user, revision, tags, covers, assets, operations
                assert reader.get("/library/tags/").status_code == 200


MARKS = "a" + "\u0301\u0316" * 20_000  # takes seconds to fold


@pytest.mark.parametrize("bad", ["\0", "x" * 81, "  ", pytest.param(MARKS, id="marks")])
def test_what_is_no_name_is_refused(reader: Client, three: list[str], bad: str) -> None:
    fields = {"add-tag": "add_tag", "remove-tag": "add_tag", "move": "move_to", "collections/create": "name"}
    took = time.thread_time()
    for path, field in fields.items():
        answer = reader.post(f"/library/{path}", {"asset": three[0], field: bad}, headers=JSON)
        assert answer.status_code == 422, path
    assert time.thread_time() - took < 3
    assert not Tag.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_tiles_join_and_leave_filtered_pages(owner: User) -> None:
    """pitfall 23: tag, collection, project and title; and a collection that is deleted while it is shown."""
    [asset] = await sync_to_async(made)(owner, quantity=1)
    client = Client()
    await sync_to_async(client.force_login)(owner)
    send = sync_to_async(post)
    pk = str(asset.pk)
    await send(client, "collections/create", name="Sea")
    collection = await Collection.objects.aget()
    await send(client, "tags/create", name="fox")
    tag = await Tag.objects.aget()
    at = await revision(owner.pk)
    steps = {
        f"tag={tag.pk}": ("add-tag", "remove-tag", {"add_tag": "fox"}),
        f"collection={collection.pk}": (
            "add-to-collection",
            "remove-from-collection",
            {"add_collection": "sea"},
        ),
        "q=keeper": (f"image/{pk}/title", f"image/{pk}/title", {"title": "keeper"}),
    }
    for query, (join, leave, fields) in steps.items():
        async with socket(owner, query, after=at) as open_page:
            await told(open_page)
            await send(client, join, asset=[pk], **fields)
            joined = (await _next(open_page))["assets"][0]
            assert joined["html"] in await content(owner, f"/library/?{query}")
            await send(client, leave, asset=[pk], **(fields if "title" not in fields else {"title": ""}))
            assert (await _next(open_page))["assets"][0]["removed"]
        at = await revision(owner.pk)
    async with socket(owner, f"collection={collection.pk}", after=at) as open_page:
        await told(open_page)
        who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
        rating: dict[str, Any] = {"action": Action.RATE, "value": {"rating": 5}, "source": Source.LIBRARY}
        await sync_to_async(operations.start)(**rating, **who)
        assert "Rating: starting" in (await _next(open_page, assets=False))["operations"]
        await sync_to_async(operation_work.work)(owner.pk, seconds=9)
        assert "Rated 1 with 5 of 5." in (await _next(open_page, assets=False))["operations"]
        await send(client, f"collections/{collection.pk}/delete")
        while not (message := await open_page.receive_json_from(timeout=5))["gone"]:
            assert message["type"] == "changes"


async def _next(open_page: Any, *, assets: bool = True) -> dict[str, Any]:
    """The next message with assets; others tell of operations."""
    while True:
        message: dict[str, Any] = await open_page.receive_json_from(timeout=5)
        if message["assets"] or not assets:
            return message
