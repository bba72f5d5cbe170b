"""What the Library's socket sends is what the page shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from generation.changes import feed
from library.consumers import LibraryConsumer
from tests import acting, factories
from tests.library.conftest import made, shown

pytestmark = pytest.mark.django_db(transaction=True)


@asynccontextmanager
async def socket(user: User, query: str = "", after: int = 0) -> AsyncIterator[Any]:
    """An open Library socket that has been greeted; the first message is the greeting."""
    communicator = WebsocketCommunicator(LibraryConsumer.as_asgi(), f"/ws/library/?{query}")
    communicator.scope["user"] = user
    connected, _ = await communicator.connect()
    assert connected
    await communicator.send_json_to({"after": after})
    try:
        yield communicator
    finally:
        await communicator.disconnect()


async def assets(communicator: Any) -> dict[str, dict[str, Any]]:
    message = await communicator.receive_json_from(timeout=5)
    assert message["type"] == "changes"
    return {asset["id"]: asset for asset in message["assets"]}


@sync_to_async
def content(user: User, url: str = "/library/") -> str:
    client = Client()
    client.force_login(user)
    return client.get(url).content.decode()


make = sync_to_async(made)


@sync_to_async
def revision(owner_id: int) -> int:
    return feed.position(owner_id).revision


async def test_a_pushed_tile_is_contained_in_the_reloaded_page(owner: User) -> None:
    """Pitfall 23."""
    async with socket(owner) as page:
        await assets(page)
        images = await make(owner, quantity=3)
        pushed = await assets(page)
        while len(pushed) < 3:
            pushed |= await assets(page)
    reloaded = await content(owner)

    assert set(pushed) == {str(image.pk) for image in images}
    for asset in pushed.values():
        assert asset["html"] in reloaded
        assert not asset["removed"]


async def test_a_reconnect_gets_exactly_what_was_missed(owner: User) -> None:
    """Pitfall 23."""
    await make(owner, quantity=1)
    seen = await revision(owner.pk)
    [video] = await make(owner, job_type="video_fast")

    async with socket(owner, after=seen) as page:
        assert set(await assets(page)) == {str(video.pk)}


async def test_what_is_discarded_leaves_the_page_and_appears_in_the_trash(owner: User) -> None:
    """Pitfall 29."""
    [image] = await make(owner, quantity=1)
    seen = await revision(owner.pk)
    await sync_to_async(acting.discard)(owner_id=owner.pk, assets=[image.pk])

    async with socket(owner, after=seen) as library, socket(owner, "trash=1", seen) as trash:
        gone, come = await assets(library), await assets(trash)

    assert gone[str(image.pk)] == {"id": str(image.pk), "media": "image", "html": "", "removed": True}
    assert come[str(image.pk)]["html"] in await content(owner, "/library/trash/")


@pytest.mark.parametrize(
    "query", ["media=image", "q=fox", "q=F%4FX&media=image", "job_type=sdxl_image_fast&q=-lighthouse"]
)
async def test_the_socket_judges_by_the_page_s_filters(owner: User, query: str) -> None:
    [fox] = await make(owner, "a fox", quantity=1)
    await make(owner, "a lighthouse", job_type="video_fast")

    async with socket(owner, query) as page:
        pushed = await assets(page)

    assert {key for key, asset in pushed.items() if not asset["removed"]} == {str(fox.pk)}
    assert pushed[str(fox.pk)]["html"] in await content(owner, f"/library/?{query}")


async def test_the_number_that_fits_is_pushed_in_the_page_s_words(owner: User) -> None:
    """Pitfall 27. Nothing is counted without a filter, or where nothing changed."""
    images = await make(owner, quantity=3)
    seen = await revision(owner.pk)
    async with socket(owner, "media=image", after=seen) as page, socket(owner, after=seen) as everything:
        for one in (page, everything):
            assert (await one.receive_json_from(timeout=5))["count"] == ""
        await sync_to_async(acting.discard)(owner_id=owner.pk, assets=[images[0].pk])
        words = (await page.receive_json_from(timeout=5))["count"]
        assert (await everything.receive_json_from(timeout=5))["count"] == ""
    assert words == "2 results"
    assert f'<span id="count">{words}</span>' in await content(owner, "/library/?media=image")


async def test_what_waits_for_review_is_not_pushed(owner: User) -> None:
    await make(owner, review=True, quantity=1)

    async with socket(owner) as page:
        assert all(asset["removed"] for asset in (await assets(page)).values())


async def test_a_stranger_s_socket_hears_nothing(owner: User) -> None:
    other = await sync_to_async(factories.make_user)()
    async with socket(other) as page:
        assert await assets(page) == {}
        await make(owner, quantity=1)
        assert await page.receive_nothing(timeout=0.5)


async def test_nobody_s_socket_is_closed() -> None:
    communicator = WebsocketCommunicator(LibraryConsumer.as_asgi(), "/ws/library/")
    communicator.scope["user"] = AnonymousUser()

    connected, code = await communicator.connect()

    assert (connected, code) == (False, 4401)


async def test_a_socket_with_too_many_fields_is_refused_quietly(owner: User) -> None:
    query = "&".join(f"x{number}=1" for number in range(1001))
    communicator = WebsocketCommunicator(LibraryConsumer.as_asgi(), f"/ws/library/?{query}")
    communicator.scope["user"] = owner

    connected, _ = await communicator.connect()

    assert not connected


async def test_a_tile_leaves_and_joins_a_page_that_shows_favourites(owner: User) -> None:
    """Pitfall 23."""
    [asset] = await make(owner, quantity=1)
    seen = await revision(owner.pk)
    favour = sync_to_async(acting.set_favourite)

    async with socket(owner, "favourite=1&rating=4", after=seen) as page:
        await assets(page)
        await favour(owner_id=owner.pk, assets=[asset.pk], favourite=True)
        assert (await assets(page))[str(asset.pk)]["removed"]
        await sync_to_async(acting.rate)(owner_id=owner.pk, assets=[asset.pk], rating=4)
        joined = (await assets(page))[str(asset.pk)]
        assert "4 of 5 stars" in joined["html"]
        assert joined["html"] in await content(owner, "/library/?favourite=1&rating=4")
        await favour(owner_id=owner.pk, assets=[asset.pk], favourite=False)
        assert (await assets(page))[str(asset.pk)]["removed"]


async def test_another_best_is_pushed_to_the_page_of_stacks(owner: User) -> None:
    """Where one that is no best changes, another may be the best, or the number be another."""
    images = await make(owner, quantity=3)
    seen = await revision(owner.pk)

    async def change(act: Any, **change: Any) -> dict[str, Any]:
        nonlocal seen
        await sync_to_async(act)(owner_id=owner.pk, **change)
        async with socket(owner, "stacks=1", seen) as library:
            found = await assets(library)
        seen = await revision(owner.pk)
        reloaded = await content(owner, "/library/?stacks=1")
        there = {key for key, asset in found.items() if not asset["removed"]}
        assert there == set(shown(reloaded))
        for key in there:
            assert found[key]["html"] in reloaded
        return found

    found = await change(acting.rate, assets=[images[1].pk], rating=3)
    assert not found[str(images[1].pk)]["removed"]
    assert found[str(images[0].pk)]["removed"]
    found = await change(acting.discard, assets=[images[0].pk])
    assert "Open the stack of 2" in found[str(images[1].pk)]["html"]
    found = await change(acting.discard, assets=[images[1].pk])
    assert not found[str(images[2].pk)]["removed"]
