from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from channels.auth import AuthMiddlewareStack
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client

from generation.live.consumer import LiveConsumer
from tests.factories import make_user
from tests.generation.live.pages import WAIT_SECONDS, HeldIds, Open, Page, signed_in


@pytest.fixture
def user(transactional_db: None) -> User:
    return make_user()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


@pytest.fixture
async def open_page() -> AsyncIterator[Open]:
    """Opens a signed-in page; closes all of them."""
    opened: list[WebsocketCommunicator] = []

    async def open_as(client: Client, page: type[LiveConsumer] = Page) -> WebsocketCommunicator:
        cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items())
        headers = [(b"cookie", cookies.encode()), (b"host", b"localhost")]
        socket = WebsocketCommunicator(AuthMiddlewareStack(page.as_asgi()), "/ws/", headers=headers)
        accepted, code = await socket.connect(timeout=WAIT_SECONDS)
        assert accepted, code
        opened.append(socket)
        return socket

    yield open_as
    for socket in opened:
        await socket.disconnect(timeout=WAIT_SECONDS)


@pytest.fixture
def hold() -> Iterator[Callable[[User], threading.Event]]:
    """Holds the renders of a user's `HeldPage`; setting the event lets them go on."""
    HeldIds.renders.clear()
    HeldIds.has_begun.clear()

    def hold_renders_of(user: User) -> threading.Event:
        return HeldIds.held.setdefault(user.pk, threading.Event())

    yield hold_renders_of
    for gate in HeldIds.held.values():
        gate.set()
    HeldIds.held.clear()
