"""A socket ends with the session that opened it, within a moment, whether anything changes or not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from accounts.deletion import delete_account
from accounts.sign_in_links import sign_in_path
from generation.changes import publisher
from generation.core.actors import SYSTEM
from generation.live.consumer import SIGNED_OUT
from tests.factories import make_user
from tests.generation.live.pages import (
    QUIET_SECONDS,
    WAIT_SECONDS,
    HeldIds,
    HeldPage,
    Open,
    RestlessPage,
    begin,
    next_message,
    progressed,
    signed_in,
    submitted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_connection_left")]
CLOSED = {"type": "websocket.close", "code": SIGNED_OUT}


async def ending(socket: WebsocketCommunicator) -> Any:
    return await socket.receive_output(timeout=WAIT_SECONDS)


def forget_session(client: Client) -> None:
    """As an operator's tool does, without a word to anybody."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    store().delete(client.session.session_key)


async def test_signing_out_closes_the_sockets_of_that_session_alone(
    user: User, client: Client, open_page: Open
) -> None:
    """pitfall 24: until now they were closed when something changed."""
    elsewhere = await open_page(await sync_to_async(signed_in)(user))
    tabs = [await open_page(client) for _ in range(2)]
    for socket in (elsewhere, *tabs):
        await begin(socket)
    await sync_to_async(client.logout)()
    assert [await ending(socket) for socket in tabs] == [CLOSED, CLOSED]
    await submitted(user)
    assert (await next_message(elsewhere))["revision"] == 2


async def test_the_sign_out_button_closes_them(user: User, client: Client, open_page: Open) -> None:
    socket = await open_page(client)
    await begin(socket)
    await sync_to_async(client.post)("/sign-out/")
    assert await ending(socket) == CLOSED


async def test_what_is_ended_from_the_list_of_sessions_closes_its_sockets_alone(
    user: User, client: Client, open_page: Open
) -> None:
    """pitfall 52"""
    there = await sync_to_async(signed_in)(user)
    socket, other = await open_page(client), await open_page(there)
    for each in (socket, other):
        await begin(each)
    await sync_to_async(client.post)("/account/sessions/end-others")
    assert await ending(other) == CLOSED
    await submitted(user)
    assert (await next_message(socket))["revision"] == 2


async def test_what_is_being_rendered_is_not_sent_after_signing_out(
    user: User, client: Client, open_page: Open, hold: Callable[[User], threading.Event]
) -> None:
    """pitfall 24"""
    socket = await open_page(client, HeldPage)
    await begin(socket)
    gate = hold(user)
    await submitted(user)
    assert await asyncio.to_thread(HeldIds.has_begun.wait, WAIT_SECONDS)
    await sync_to_async(client.logout)()
    assert await ending(socket) == CLOSED
    gate.set()
    await progressed(user, await submitted(user))
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)


async def change_password(user: User) -> None:
    user.set_password("another good long password")
    await user.asave()


async def deactivate(user: User) -> None:
    user.is_active = False
    await user.asave()


async def delete(user: User) -> None:
    await user.adelete()


async def begin_to_delete_account(user: User) -> None:
    """What follows may take minutes, or wait for another call."""
    await sync_to_async(next)(delete_account(user, actor=SYSTEM))


@pytest.mark.parametrize("end", [change_password, deactivate, delete, begin_to_delete_account])
async def test_what_ends_every_session_closes_every_quiet_socket(
    user: User, client: Client, open_page: Open, end: Callable[[User], Any]
) -> None:
    """pitfall 52"""
    other = await sync_to_async(make_user)()
    stays = await open_page(await sync_to_async(signed_in)(other))
    sockets = [await open_page(client), await open_page(await sync_to_async(signed_in)(user))]
    for socket in (stays, *sockets):
        await begin(socket)
    await end(user)
    assert [await ending(socket) for socket in sockets] == [CLOSED, CLOSED]
    assert await stays.receive_nothing(timeout=QUIET_SECONDS)


async def test_what_is_being_rendered_waits_for_the_answer_of_the_database(
    user: User, client: Client, open_page: Open, hold: Callable[[User], threading.Event]
) -> None:
    socket = await open_page(client, HeldPage)
    await begin(socket)
    gate = hold(user)
    await submitted(user)
    assert await asyncio.to_thread(HeldIds.has_begun.wait, WAIT_SECONDS)
    await deactivate(user)
    await asyncio.sleep(QUIET_SECONDS)
    gate.set()
    assert await ending(socket) == CLOSED


async def test_somebody_else_who_signs_in_by_a_link_closes_the_sockets_of_the_one_before(
    user: User, client: Client, open_page: Open
) -> None:
    """pitfall 24: in the same browser"""
    socket = await open_page(client)
    await begin(socket)
    link = await sync_to_async(lambda: sign_in_path(make_user()))()
    await sync_to_async(client.post)(link)
    assert await ending(socket) == CLOSED


async def test_a_session_that_ended_untold_is_found_at_the_recheck(client: Client, open_page: Open) -> None:
    socket = await open_page(client, RestlessPage)
    await begin(socket)
    await sync_to_async(forget_session)(client)
    assert await ending(socket) == CLOSED


async def test_a_session_that_ended_while_the_socket_opened_gets_nothing(
    user: User, client: Client, open_page: Open
) -> None:
    """The handshake had found it; the message about its end came before the socket listened."""
    await submitted(user)
    socket = await open_page(client)
    await sync_to_async(forget_session)(client)
    await socket.send_json_to({"after": 0})
    assert await ending(socket) == CLOSED


async def test_no_message_carries_a_session_key(user: User, client: Client) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(publisher.owner_group(user.pk), channel)
    key = client.session.session_key
    await sync_to_async(client.logout)()
    message = await asyncio.wait_for(layer.receive(channel), WAIT_SECONDS)
    assert message == {"type": "session.ended", "session": publisher.session_digest(key)}
    assert key not in str(message)


async def test_signing_in_asks_no_socket_to_look(user: User, client: Client, open_page: Open) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(publisher.owner_group(user.pk), channel)
    await sync_to_async(signed_in)(user)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive(channel), QUIET_SECONDS)
