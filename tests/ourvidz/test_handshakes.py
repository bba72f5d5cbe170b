"""Sockets' handshakes: bad ones cost no traceback, and nobody's keep no user's waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import LazySettings
from django.db import connections

from ourvidz.request_limits import RequestLimits
from ourvidz.request_limits.handshakes import HandshakeLimits
from tests.factories import make_user
from tests.functional.callers import session_of
from tests.servers.web import WebProcess, web_process

PATIENCE_S = 20


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with web_process(tmp_path_factory.mktemp("web")) as process:
        yield process


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/nothing/", [], 403),
        ("/ws/%ff/", [], 403),
        ("/ws/library/", [b"Sec-WebSocket-Protocol: \xff"], 403),
        ("/ws/library/", [b"Sec-WebSocket-Version: 1"], 400),
        ("/ws/library/", [b"Cookie: sessionid=\xff"], 403),
    ],
)
def test_a_bad_handshake_is_refused_without_a_traceback(
    web: WebProcess, path: str, headers: list[bytes], status: int
) -> None:
    """Anybody may send them, as many as he likes."""
    host = b"localhost:%d" % web.port
    lines = [b"GET %b HTTP/1.1" % path.encode(), b"Host: " + host, b"Origin: http://" + host]
    lines += [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"]
    lines += [b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *headers, b"", b""]
    with web.wire() as wire:
        wire.socket.sendall(b"\r\n".join(lines))
        assert wire.answer_status() == status
    with web.wire() as wire:
        wire.ask("/ws/library/", "Upgrade: websocket")
        assert wire.answer_status() == 400
    web.settle()
    assert "Traceback" not in web.log


class Sockets:
    """The limits around sockets that are accepted when they may be."""

    def __init__(self) -> None:
        async def no_view(scope: Any, receive: Any, send: Any) -> None:
            pytest.fail("a handshake asked a view")

        self.limits = HandshakeLimits(self.serve, RequestLimits(no_view))
        self.handshakes = self.most = 0
        self.may_accept = asyncio.Event()

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        self.handshakes += 1
        self.most = max(self.most, self.handshakes)
        await self.may_accept.wait()
        self.handshakes -= 1
        await send({"type": "websocket.accept"})
        await receive()

    def open(self, session: str = "", address: str = "192.0.2.1") -> ApplicationCommunicator:
        cookie = [(b"cookie", f"sessionid={session}".encode())] if session else []
        scope = {"type": "websocket", "path": "/ws/library/", "headers": cookie, "client": (address, 9)}
        return ApplicationCommunicator(self.limits, scope)

    async def answer(self, *caller: str) -> str:
        opened = self.open(*caller)
        answer = await opened.receive_output(PATIENCE_S)
        await opened.send_input({"type": "websocket.disconnect"})
        await opened.wait(PATIENCE_S)
        return str(answer["type"])


@pytest.fixture
async def sockets(settings: LazySettings, transactional_db: None) -> Any:
    settings.REQUESTS_PER_SECOND, settings.REQUEST_BURST = 0.001, 10
    settings.MAX_REQUESTS, settings.MAX_REQUESTS_PER_USER = 6, 2
    yield Sockets()
    await sync_to_async(connections.close_all)()


@sync_to_async
def session_for(name: str) -> str:
    return session_of(make_user(name))


async def test_nobodys_handshakes_end_before_the_sockets(sockets: Sockets) -> None:
    answers = [await sockets.answer(session) for session in ("", "guess", *map(str, range(30)))]
    assert answers == ["websocket.close"] * 32
    assert sockets.most == 0
    sockets.may_accept.set()
    assert await sockets.answer(await session_for("ada"), "192.0.2.2") == "websocket.accept"


async def test_a_users_handshakes_count_as_requests(sockets: Sockets) -> None:
    sockets.may_accept.set()
    ada, bob = await session_for("ada"), await session_for("bob")
    answers = [await sockets.answer(ada) for _ in range(12)]
    assert answers == ["websocket.accept"] * 10 + ["websocket.close"] * 2
    assert await sockets.answer(bob) == "websocket.accept"


async def test_a_users_handshakes_wait_for_one_another_and_open_sockets_for_nobody(sockets: Sockets) -> None:
    ada = await session_for("ada")
    many = [asyncio.create_task(sockets.answer(ada)) for _ in range(7)]
    await asyncio.sleep(0.5)
    assert sockets.most == 2
    sockets.may_accept.set()
    assert set(await asyncio.gather(*many)) == {"websocket.accept"}
    held = [sockets.open(ada) for _ in range(2)]
    for each in held:
        assert (await each.receive_output(PATIENCE_S))["type"] == "websocket.accept"
    assert await sockets.answer(ada) == "websocket.accept", "an open socket holds no slot"
    for each in held:
        await each.send_input({"type": "websocket.disconnect"})
        await each.wait(PATIENCE_S)
