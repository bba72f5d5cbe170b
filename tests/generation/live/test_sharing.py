"""Each render is shared by the sockets that need the same, and nobody waits for another's."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from generation.live import renders
from tests.factories import make_user
from tests.generation.live.pages import (
    QUIET_SECONDS,
    WAIT_SECONDS,
    HeldIds,
    HeldPage,
    Ids,
    Open,
    SmallPage,
    WatchedIds,
    begin,
    next_message,
    progressed,
    signed_in,
    submitted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_connection_left")]
Hold = Callable[[User], threading.Event]


@pytest.fixture(autouse=True)
def _kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may let the last of many sockets hear a hint late."""
    monkeypatch.setattr(renders, "RENDER_CACHE_SECONDS", 60.0)


async def has_begun() -> None:
    assert await asyncio.to_thread(HeldIds.has_begun.wait, WAIT_SECONDS)


async def until_revision(socket: WebsocketCommunicator, revision: int) -> list[dict[str, Any]]:
    """The messages until the page stands there."""
    messages = [await next_message(socket)]
    while messages[-1]["revision"] < revision:
        messages.append(await next_message(socket))
    return messages


async def test_a_change_is_rendered_once_for_all_sockets_of_a_page(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """pitfall 49"""
    sockets = [await open_page(client, HeldPage) for _ in range(20)]
    for socket in sockets:
        await begin(socket)
    HeldIds.renders.clear()
    job = await submitted(user)
    for socket in sockets:
        assert await next_message(socket) == {"type": "changes", "revision": 2, "jobs": [str(job.pk)]}
    assert HeldIds.renders == [user.pk]


async def test_progress_is_rendered_once_for_all_sockets_of_a_page(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """pitfall 49"""
    job = await submitted(user)
    sockets = [await open_page(client, HeldPage) for _ in range(20)]
    for socket in sockets:
        await begin(socket)
    HeldIds.renders.clear()
    for count in (1, 2):
        await progressed(user, job)
        for socket in sockets:
            assert await next_message(socket) == {"type": "progress", "job": str(job.pk)}
        assert len(HeldIds.renders) == count, "the next hint is answered anew"


async def test_a_herd_that_comes_back_costs_two_renders(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """One had begun when the others came, and might lack what they need; they share the next."""
    await submitted(user)
    sockets = [await open_page(client, HeldPage) for _ in range(10)]
    gate = hold(user)
    await sockets[0].send_json_to({"after": 0})
    await has_begun()
    for socket in sockets[1:]:
        await socket.send_json_to({"after": 0})
    await asyncio.sleep(QUIET_SECONDS)
    gate.set()
    assert [(await next_message(socket))["revision"] for socket in sockets] == [2] * 10
    assert len(HeldIds.renders) == 2


def test_pages_of_other_owners_and_kinds_share_nothing() -> None:
    """pitfall 24"""
    assert Ids(1) == Ids(1)
    assert len({Ids(1), Ids(2), WatchedIds(1)}) == 3


async def test_an_owner_whose_renders_take_long_keeps_no_other_waiting(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """One user's 20 sockets made another's wait 5 s."""
    slow, other = [await open_page(client, HeldPage) for _ in range(20)], await sync_to_async(make_user)()
    quick = await open_page(await sync_to_async(signed_in)(other), HeldPage)
    await begin(quick)
    gate = hold(user)
    for socket in slow:
        await socket.send_json_to({"after": 0})
    await has_begun()
    await submitted(other)
    assert (await next_message(quick))["revision"] == 2
    gate.set()
    for socket in slow:
        assert (await next_message(socket))["revision"] == 0


async def test_an_owner_takes_one_thread_and_owners_take_turns(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """Twenty sockets at revisions of their own share nothing; they took every thread."""
    jobs = [await submitted(user) for _ in range(10)]
    sockets = [await open_page(client, HeldPage) for _ in range(2 * len(jobs))]
    gate = hold(user)
    for after, socket in enumerate(sockets):
        await socket.send_json_to({"after": after})
    await has_begun()
    others = [await sync_to_async(make_user)() for _ in range(django_settings.LIVE_THREADS + 2)]
    for other in others:
        quick = await open_page(await sync_to_async(signed_in)(other), HeldPage)
        await submitted(other)
        assert (await begin(quick))["revision"] == 2
    assert HeldIds.renders.count(user.pk) == 1
    gate.set()
    for socket in sockets:
        assert (await next_message(socket))["revision"] == 2 * len(jobs)


async def test_a_thread_of_a_socket_that_has_gone_is_still_its_owners(user: User) -> None:
    begun, end = threading.Event(), threading.Event()
    calls: list[int] = []

    def first() -> None:
        begun.set()
        assert end.wait(WAIT_SECONDS)
        calls.append(1)

    running = asyncio.create_task(renders.renders().in_thread(user.pk, first))
    assert await asyncio.to_thread(begun.wait, WAIT_SECONDS)
    running.cancel()
    waiting = asyncio.create_task(renders.renders().in_thread(user.pk, lambda: calls.append(2)))
    await asyncio.sleep(QUIET_SECONDS)
    assert calls == []
    end.set()
    await waiting
    assert calls == [1, 2]


async def test_a_render_that_nobody_waits_for_any_more_is_not_made(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """Who opens and closes sockets for ever leaves nothing behind."""
    await submitted(user)
    gate = hold(user)
    stays, *go = [await open_page(client, HeldPage) for _ in range(5)]
    await stays.send_json_to({"after": 0})
    await has_begun()
    for socket in go:
        await socket.send_json_to({"after": 1})
        await asyncio.sleep(0.05)
        await socket.disconnect(timeout=WAIT_SECONDS)
    gate.set()
    assert (await next_message(stays))["revision"] == 2
    assert await begin(stays, after=1) == await begin(stays, after=1)
    assert len(HeldIds.renders) == 3


async def test_hints_that_come_during_a_render_are_one(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    socket = await open_page(client, HeldPage)
    await begin(socket)
    gate = hold(user)
    HeldIds.renders.clear()
    job = await submitted(user)
    await has_begun()
    jobs = [job, *[await submitted(user) for _ in range(6)]]
    for job in jobs * 2:
        await progressed(user, job)
    await socket.send_json_to({"type": "ping"})
    assert await next_message(socket) == {"type": "pong"}, "the socket hears while it renders"
    await asyncio.sleep(QUIET_SECONDS)
    gate.set()
    messages = await until_revision(socket, 2 * len(jobs))
    told = [await next_message(socket) for _ in jobs]
    assert {message["job"] for message in told} == {str(job.pk) for job in jobs}
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)
    assert len(messages) == 2
    assert len(HeldIds.renders) == len(messages) + len(jobs)


async def test_a_render_that_began_too_early_is_not_taken_for_the_newest(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    """pitfall 23: no hint tells the second socket of the change that came before it."""
    await submitted(user)
    gate = hold(user)
    first, second = await open_page(client, HeldPage), await open_page(client, HeldPage)
    await first.send_json_to({"after": 0})
    await has_begun()
    await get_channel_layer().flush()
    await submitted(user)
    await second.send_json_to({"after": 0})
    await asyncio.sleep(QUIET_SECONDS)
    gate.set()
    assert (await next_message(first))["revision"] == 2
    assert (await next_message(second))["revision"] == 4


async def test_a_socket_that_goes_takes_the_render_from_nobody(
    user: User, client: Client, open_page: Open, hold: Hold
) -> None:
    sockets = [await open_page(client, HeldPage) for _ in range(3)]
    for socket in sockets:
        await begin(socket)
    gate = hold(user)
    await submitted(user)
    await has_begun()
    await asyncio.sleep(QUIET_SECONDS)
    await sockets[0].disconnect(timeout=WAIT_SECONDS)
    gate.set()
    for socket in sockets[1:]:
        assert (await next_message(socket))["revision"] == 2


async def test_sockets_at_any_revision_get_all_that_is_newer_in_order(
    user: User, client: Client, open_page: Open
) -> None:
    """pitfalls 22, 23: pages of three rows, while changes go on."""
    chance = random.Random(7)
    jobs = [await submitted(user) for _ in range(3)]
    starts = [chance.randrange(7) for _ in range(12)]
    sockets = [await open_page(client, SmallPage) for _ in starts]
    for after, socket in zip(starts, sockets, strict=True):
        await socket.send_json_to({"after": after})
        if chance.random() < 0.4:
            jobs.append(await submitted(user))
    jobs += [await submitted(user) for _ in range(3)]
    last = 2 * len(jobs)
    for after, socket in zip(starts, sockets, strict=True):
        messages = await until_revision(socket, last)
        revisions = [message["revision"] for message in messages]
        assert revisions == sorted(set(revisions)), "in order, and each once"
        shown = {job for message in messages for job in message["jobs"]}
        assert shown == {str(job.pk) for number, job in enumerate(jobs, 1) if 2 * number > after}


async def test_a_finished_render_is_soon_forgotten(
    user: User, client: Client, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renders, "RENDER_CACHE_SECONDS", 0.05)
    socket = await open_page(client)
    await begin(socket)
    await submitted(user)
    await next_message(socket)
    await asyncio.sleep(QUIET_SECONDS)
    assert renders.renders()._latest == {}


async def test_a_thread_keeps_no_connection(user: User) -> None:
    assert await renders.renders().in_thread(user.pk, User.objects.count) == 1
    handed_back = await asyncio.wrap_future(renders._executor().submit(lambda: connection.connection is None))
    assert handed_back
