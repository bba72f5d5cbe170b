"""The socket: whatever is lost on the way, the page ends with what the database says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from generation.catalog.submission import Submission
from generation.changes import feed, publisher
from generation.changes.feed import Changes
from generation.live import consumer
from generation.live.consumer import FAILED, SIGNED_OUT
from generation.live.pages import LivePage
from generation.models import OwnerCounter
from tests.acting import cancel, submit
from tests.factories import make_user, make_worker
from tests.generation.live.pages import (
    QUIET_SECONDS,
    WAIT_SECONDS,
    HeldIds,
    Ids,
    LivelyPage,
    MovingIds,
    MovingPage,
    Open,
    Page,
    RestlessPage,
    SmallPage,
    WatchingPage,
    begin,
    next_message,
    progressed,
    submitted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_connection_left")]


class AwayLayer(InMemoryChannelLayer):
    """A channel layer whose server does not answer."""

    async def group_add(self, group: str, channel: str) -> None:
        raise ConnectionRefusedError

    async def group_send(self, group: str, message: object) -> None:
        raise ConnectionRefusedError

    async def group_discard(self, group: str, channel: str) -> None:
        raise ConnectionRefusedError


async def test_a_stranger_is_refused() -> None:
    socket = WebsocketCommunicator(AuthMiddlewareStack(Page.as_asgi()), "/ws/")
    assert await socket.connect(timeout=10) == (False, SIGNED_OUT)


async def test_the_page_catches_up_when_it_connects(user: User, client: Client, open_page: Open) -> None:
    """pitfall 23"""
    job = await submitted(user)
    socket = await open_page(client)
    assert await begin(socket) == {"type": "changes", "revision": 2, "jobs": [str(job.pk)]}


async def test_a_page_that_is_up_to_date_is_greeted_with_nothing(
    user: User, client: Client, open_page: Open
) -> None:
    await submitted(user)
    assert await begin(await open_page(client), after=2) == {"type": "changes", "revision": 2, "jobs": []}


async def test_a_change_reaches_the_page_once(user: User, client: Client, open_page: Open) -> None:
    """pitfall 22"""
    socket = await open_page(client)
    await begin(socket)
    job = await submitted(user)
    assert await next_message(socket) == {"type": "changes", "revision": 2, "jobs": [str(job.pk)]}
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)


async def test_nothing_is_sent_before_the_page_says_what_it_has(
    user: User, client: Client, open_page: Open
) -> None:
    socket = await open_page(client)
    await submitted(user)
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)


async def test_what_changes_by_itself_is_sent_while_the_page_shows_some_of_it(
    user: User, client: Client, open_page: Open
) -> None:
    MovingIds.rendered.clear()
    socket = await open_page(client, MovingPage)
    assert not (await begin(socket))["moves"]
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)
    assert MovingIds.rendered == [], "nothing is asked for a page that shows nothing of the kind"
    await submitted(user)
    assert (await next_message(socket))["moves"]
    assert await next_message(socket) == {"type": "progress", "renders": 1}
    assert await next_message(socket) == {"type": "progress", "renders": 2}
    assert await socket.receive_nothing(timeout=1.5), "the same is not sent again"
    assert len(MovingIds.rendered) > 2


async def test_two_tabs_converge(user: User, client: Client, open_page: Open) -> None:
    one, two = await open_page(client), await open_page(client)
    await begin(one)
    await begin(two)
    await submitted(user)
    assert await next_message(one) == await next_message(two)


async def test_what_others_do_never_arrives(user: User, client: Client, open_page: Open) -> None:
    """pitfall 24"""
    socket = await open_page(client)
    await begin(socket)
    await submitted(await sync_to_async(make_user)())
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)


async def test_many_changes_come_in_pages_without_a_gap(user: User, client: Client, open_page: Open) -> None:
    jobs = [await submitted(user) for _ in range(4)]  # two revisions each
    socket = await open_page(client, SmallPage)
    await socket.send_json_to({"after": 0})
    messages = [await next_message(socket) for _ in range(3)]
    assert [message["revision"] for message in messages] == [3, 6, 8]
    assert {job for message in messages for job in message["jobs"]} == {str(job.pk) for job in jobs}


async def test_a_lost_hint_costs_only_time(user: User, client: Client, open_page: Open) -> None:
    """pitfall 23"""
    socket = await open_page(client, RestlessPage)
    await begin(socket)
    layer = get_channel_layer()
    await layer.flush()  # as a restarted Redis does
    job = await submitted(user)
    assert (await next_message(socket))["jobs"] == [str(job.pk)]
    await submitted(user)
    assert (await next_message(socket))["revision"] == 4


async def test_an_old_hint_asks_for_nothing(user: User, client: Client, open_page: Open) -> None:
    await submitted(user)
    socket = await open_page(client)
    await begin(socket)
    message = {"type": "owner.changed", "revision": 1, "jobs": []}
    await get_channel_layer().group_send(publisher.owner_group(user.pk), message)
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)


async def test_a_revision_from_another_database_means_reload(
    user: User, client: Client, open_page: Open
) -> None:
    await submitted(user)
    for ahead in (3, 2**31, 2**63, 2**200):
        assert await begin(await open_page(client), after=ahead) == {"type": "reload"}


async def test_a_revision_older_than_the_notes_on_purges_means_reload(
    user: User, client: Client, open_page: Open
) -> None:
    await submitted(user)
    await OwnerCounter.objects.filter(pk=user.pk).aupdate(oldest_revision=2)
    assert await begin(await open_page(client), after=1) == {"type": "reload"}


async def test_progress_is_passed_on_and_is_no_revision(user: User, client: Client, open_page: Open) -> None:
    socket = await open_page(client, WatchingPage)
    job = await submitted(user)
    await begin(socket)
    await progressed(user, job)
    assert await next_message(socket) == {"type": "progress", "job": str(job.pk)}
    assert (await sync_to_async(feed.position)(user.pk)).revision == 2


async def test_a_page_that_shows_no_progress_hears_of_none(
    user: User, client: Client, open_page: Open
) -> None:
    socket = await open_page(client)
    job = await submitted(user)
    await begin(socket)
    await progressed(user, job)
    assert await socket.receive_nothing(timeout=QUIET_SECONDS)


async def test_progress_does_not_outlive_the_session(user: User, client: Client, open_page: Open) -> None:
    """pitfall 24"""
    socket = await open_page(client, WatchingPage)
    job = await submitted(user)
    await begin(socket)
    await sync_to_async(client.logout)()
    await progressed(user, job)
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": SIGNED_OUT}


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", "7", "null", '{"after": "x"}', '{"after": -1}', "[" * 9000]
)
async def test_nonsense_is_passed_over(user: User, client: Client, open_page: Open, text: str) -> None:
    socket = await open_page(client)
    await socket.send_to(text_data=text)
    await socket.send_to(bytes_data=b"\x00\x01")
    await socket.send_json_to({"type": "ping"})
    assert await next_message(socket) == {"type": "pong"}


async def test_a_socket_does_not_outlive_its_session(user: User, client: Client, open_page: Open) -> None:
    """pitfall 24: after signing out, the page still heard everything."""
    socket = await open_page(client)
    await begin(socket)
    await sync_to_async(client.logout)()
    await submitted(user)
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": SIGNED_OUT}


async def test_a_quiet_socket_is_closed_after_signing_out_too(
    user: User, client: Client, open_page: Open
) -> None:
    """pitfall 24"""
    socket = await open_page(client, RestlessPage)
    await begin(socket)
    await sync_to_async(client.logout)()
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": SIGNED_OUT}


async def test_a_new_password_closes_the_sockets_of_the_old(
    user: User, client: Client, open_page: Open
) -> None:
    socket = await open_page(client)
    await begin(socket)
    user.set_password("another good long password")
    await user.asave()
    await submitted(user)
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": SIGNED_OUT}


async def test_a_socket_on_which_nothing_happens_is_heard(client: Client, open_page: Open) -> None:
    """Pitfall 37: a browser's script hears no pings, so a dead line and a quiet one were the same to it."""
    socket = await open_page(client, LivelyPage)
    await begin(socket)
    for _ in range(2):
        assert await next_message(socket) == {"type": "heartbeat"}


async def test_no_recheck_outlives_its_socket(client: Client, open_page: Open) -> None:
    before = asyncio.all_tasks()
    socket = await open_page(client, RestlessPage)
    await begin(socket)
    await socket.disconnect(timeout=10)
    await asyncio.sleep(0.05)
    assert not periodic(asyncio.all_tasks() - before)


async def test_no_recheck_outlives_a_socket_that_failed(client: Client, open_page: Open) -> None:
    """It went on for ever, and asked the database every 25 s for nobody."""

    class Failing(LivePage):
        def render(self, changes: Changes) -> dict[str, Any]:
            raise ZeroDivisionError

    class FailingPage(RestlessPage):
        shows = Failing

    before = asyncio.all_tasks()
    socket = await open_page(client, FailingPage)
    await socket.send_json_to({"after": 0})
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": FAILED}
    await asyncio.sleep(0.05)
    assert not periodic(asyncio.all_tasks() - before)


def periodic(tasks: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    return [task for task in tasks if "_recheck" in repr(task) or "_heartbeat" in repr(task)]


async def test_a_recheck_survives_a_failure(user: User, client: Client, open_page: Open) -> None:
    failures = [True]

    class Stumbling(Ids):
        def render(self, changes: Changes) -> dict[str, Any]:
            if changes.revision and failures:
                failures.pop()
                raise ZeroDivisionError
            return Ids.render(self, changes)

    class StumblingPage(RestlessPage):
        shows = Stumbling

    socket = await open_page(client, StumblingPage)
    await begin(socket)
    await get_channel_layer().flush()
    await submitted(user)
    assert (await next_message(socket))["revision"] == 2
    assert not failures


async def test_what_could_not_be_sent_is_sent_at_the_next_recheck(
    user: User,
    client: Client,
    open_page: Open,
    hold: Callable[[User], threading.Event],
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database went away between the render and the question whether the session stands."""
    failed = threading.Event()

    def away(**_: object) -> bool:
        failed.set()
        raise OperationalError

    class RestlessHeldPage(RestlessPage):
        shows = HeldIds

    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.generation.live.test_socket.AwayLayer"}}
    socket = await open_page(client, RestlessHeldPage)
    await begin(socket)
    gate = hold(user)
    job = await submitted(user)
    assert await asyncio.to_thread(HeldIds.has_begun.wait, WAIT_SECONDS)
    with monkeypatch.context() as broken:
        broken.setattr(consumer, "is_signed_in", away)
        await asyncio.sleep(2 * RestlessPage.recheck_seconds)  # in doubt again
        gate.set()
        assert await asyncio.to_thread(failed.wait, WAIT_SECONDS)
    assert (await next_message(socket))["jobs"] == [str(job.pk)]


async def test_without_a_channel_layer_pages_still_catch_up(
    user: User, client: Client, open_page: Open, settings: LazySettings
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.generation.live.test_socket.AwayLayer"}}
    socket = await open_page(client, RestlessPage)
    await begin(socket)
    job = await submitted(user)
    assert (await next_message(socket))["jobs"] == [str(job.pk)]


def test_a_channel_layer_that_is_away_fails_no_transition(user: User, settings: LazySettings) -> None:
    """A dead channel layer must never fail a callback."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.generation.live.test_socket.AwayLayer"}}
    job = submit(owner_id=user.pk, submission=Submission(job_type="image_fast", prompt="a ship"))
    make_worker()
    assert cancel(owner_id=user.pk, job_id=job.pk) == "cancelled"


async def test_a_page_of_another_user_is_closed(user: User, client: Client, open_page: Open) -> None:
    """pitfall 24: its socket came back after somebody else signed in in the same browser."""
    await submitted(user)
    socket = await open_page(client)
    await socket.send_json_to({"after": 0, "user": str(user.pk + 1)})
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": SIGNED_OUT}


async def test_a_page_of_the_same_user_is_served(user: User, client: Client, open_page: Open) -> None:
    await submitted(user)
    socket = await open_page(client)
    await socket.send_json_to({"after": 0, "user": str(user.pk)})
    assert (await next_message(socket))["revision"] == 2
