"""What one user may take of open pages, and how large one message gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from generation.changes.feed import Changes
from generation.live import pages
from generation.live.open_sockets import TOO_MANY, TOO_MANY_OF_OWNER, open_sockets
from generation.live.pages import LivePage
from tests.factories import make_job, make_user
from tests.generation.live.pages import (
    QUIET_SECONDS,
    WAIT_SECONDS,
    Open,
    begin,
    signed_in,
    submitted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_connection_left")]


async def ending(socket: WebsocketCommunicator) -> Any:
    return await socket.receive_output(timeout=WAIT_SECONDS)


async def test_one_socket_more_than_a_user_may_have_is_closed_with_the_reason(
    user: User, client: Client, open_page: Open, settings: LazySettings
) -> None:
    """pitfall 40"""
    settings.MAX_SOCKETS_PER_USER = 3
    opened = [await open_page(client) for _ in range(3)]
    refused = await open_page(client)
    await refused.send_json_to({"after": 0})
    assert await ending(refused) == {"type": "websocket.close", "code": TOO_MANY_OF_OWNER}
    stranger = await open_page(await sync_to_async(signed_in)(await sync_to_async(make_user)()))
    assert (await begin(stranger))["revision"] == 0
    await opened.pop().disconnect(timeout=WAIT_SECONDS)
    assert (await begin(await open_page(client)))["revision"] == 0, "there is room again"
    await submitted(user)
    assert await refused.receive_nothing(timeout=QUIET_SECONDS)


async def test_all_users_together_have_a_bound_too(
    client: Client, open_page: Open, settings: LazySettings
) -> None:
    """pitfall 40"""
    settings.MAX_SOCKETS = 2
    for _ in range(2):
        await open_page(await sync_to_async(signed_in)(await sync_to_async(make_user)()))
    refused = await open_page(client)
    assert await ending(refused) == {"type": "websocket.close", "code": TOO_MANY}


async def test_nothing_is_counted_that_is_not_open(
    client: Client, open_page: Open, settings: LazySettings
) -> None:
    settings.MAX_SOCKETS_PER_USER = 1
    for _ in range(3):
        socket = await open_page(client)
        refused = await open_page(client)
        await ending(refused)
        await refused.disconnect(timeout=WAIT_SECONDS)
        await socket.disconnect(timeout=WAIT_SECONDS)
    assert open_sockets._by_owner == {}


class Wide(LivePage):
    """Each job is 100 KiB."""

    def render(self, changes: Changes) -> dict[str, Any]:
        return {"jobs": [{"id": str(pk), "html": "x" * 100 * 1024} for pk in sorted(changes.job_ids)]}


@pytest.mark.parametrize("page_size", [1, 5, 50])
def test_a_catch_up_comes_in_messages_of_bounded_size(
    user: User, page_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pitfall 40: two hundred rows came as one message, of megabytes."""
    jobs = [make_job(user) for _ in range(12)]
    monkeypatch.setattr(Wide, "page_size", page_size)
    after, shown, more = 0, set(), True
    while more:
        update = Wide(user.pk).update(after)
        assert len(update.text) <= pages.PAGE_BYTES
        shown |= {job["id"] for job in json.loads(update.text)["jobs"]}
        assert update.revision > after
        after, more = update.revision, update.more
    assert (after, shown) == (24, {str(job.pk) for job in jobs})
