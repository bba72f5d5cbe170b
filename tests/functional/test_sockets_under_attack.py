"""A user's sockets, whatever they send or leave unread, take neither memory nor time from the others.

Against a real server over raw sockets. pitfall 40
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bench.websocket import WebSocket
from generation.live.open_sockets import TOO_MANY_OF_OWNER
from tests.factories import make_job
from tests.functional.attackers import (
    COMPRESSED,
    CONTINUATION,
    FIN,
    PING,
    TEXT,
    Attacker,
    attacking,
    frame,
    greeting,
)
from tests.functional.callers import Person
from tests.functional.installation import Installation

TOO_BIG = 1009
MEGABYTE = 1024 * 1024
JOBS = 40  # of the attacker's, with six slots each
ATTACK_S = 5.0
# How much longer an honest page may wait than in peace; unbounded, it waited for ever.
FACTOR, AT_LEAST_S = 12, 3.0
GROWTH_BYTES = 80 * MEGABYTE
LATEST_S = 30.0
CUT_OFF_S = 240.0  # the network takes megabytes first; then the server waits 30 s


class Server:
    """The memory of the web server's process."""

    def __init__(self, live: Installation) -> None:
        assert live.web is not None
        self.process = Path(f"/proc/{live.web.process.pid}")
        self.before = self._read("VmRSS")
        (self.process / "clear_refs").write_text("5")  # forget the peak so far

    def _read(self, name: str) -> int:
        lines = (self.process / "status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])

    def grew(self) -> int:
        """By how many bytes at most since this was made."""
        return self._read("VmHWM") - self.before


@pytest.fixture
def attacker(live: Installation) -> Person:
    """A user whose page takes long to render."""
    person = live.person()
    for _ in range(JOBS):
        make_job(person.user, quantity=6)
    return person


@pytest.fixture
def honest(live: Installation) -> Person:
    return live.person()


async def shown_after_s(live: Installation, person: Person, seconds: float) -> list[float]:
    """How long each submission took from pressing the button to the open page, for that long."""
    page = await WebSocket.open(live.address, "/ws/workspace/", session=person.session)
    page.send({"after": 0})
    assert await asyncio.wait_for(page.receive(), LATEST_S)
    found: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(found) < 3:
        began = time.monotonic()
        job_id = await asyncio.to_thread(person.submit)
        async with asyncio.timeout(LATEST_S):
            while job_id.encode() not in (await page.receive() or b"closed"):
                pass
        found.append(time.monotonic() - began)
    page.close()
    return found


@contextlib.asynccontextmanager
async def _undisturbed(live: Installation, honest: Person) -> AsyncIterator[None]:
    """Around an attack: the honest page is as quick as in peace, by order, and the server stays small."""
    server = Server(live)
    quiet = await shown_after_s(live, honest, 1.0)
    measuring = asyncio.create_task(shown_after_s(live, honest, ATTACK_S))
    try:
        yield
        loud = await measuring
    finally:
        measuring.cancel()
    grew = server.grew()
    print(
        f"median {statistics.median(quiet):.2f} s in peace, {statistics.median(loud):.2f} s under attack, "
        f"the slowest {max(loud):.2f} s of {len(loud)}; {grew / MEGABYTE:.0f} MB more"
    )
    assert statistics.median(loud) < max(AT_LEAST_S, FACTOR * statistics.median(quiet))
    assert grew < GROWTH_BYTES


def varied() -> Callable[[], bytes]:
    """Greetings from revisions of their own, so that no two can share a render."""
    numbers = itertools.count()
    return lambda: b"".join(greeting(next(numbers) % (6 * JOBS)) for _ in range(200))


def same() -> Callable[[], bytes]:
    return lambda: greeting() * 200


def wide() -> Callable[[], bytes]:
    return lambda: greeting(padding=3900)


def pings() -> Callable[[], bytes]:
    return lambda: frame(b"", PING) * 2000


@pytest.mark.parametrize(
    ("content", "reading"),
    [(same, True), (varied, True), (varied, False), (wide, False), (pings, True)],
    ids=["same", "varied", "varied and unread", "wide and unread", "pings"],
)
def test_a_flood_of_messages(
    live: Installation,
    attacker: Person,
    honest: Person,
    content: Callable[[], Callable[[], bytes]],
    reading: bool,
) -> None:
    """Twenty sockets of one user stopped everybody's pages."""

    async def attack() -> None:
        async with (
            attacking(live.address, attacker.session, 20, content(), reading=reading) as attackers,
            _undisturbed(live, honest),
        ):
            await asyncio.sleep(ATTACK_S)
        print(f"{sum(each.sent for each in attackers) / MEGABYTE:.0f} MB sent")

    asyncio.run(attack())


@pytest.mark.parametrize(
    "too_big",
    [
        frame(b"x" * MEGABYTE),
        frame(b"x" * 4097),
        frame(b"x" * 3000, flags=0) + frame(b"x" * 3000, CONTINUATION),
        frame(b"", flags=0) + frame(b"", CONTINUATION, flags=0) * 20_000,
        frame(b"x" * 2**24)[:5000],
    ],
    ids=["a megabyte", "a byte more than fits", "in two frames", "in frames of nothing", "announced"],
)
def test_a_message_that_is_too_big_is_refused_with_the_reason(
    live: Installation, attacker: Person, too_big: bytes
) -> None:
    """By its header: nothing of it is kept."""

    async def send() -> Attacker:
        async with attacking(live.address, attacker.session, 1) as (one,):
            with contextlib.suppress(ConnectionError):
                one.socket.writer.write(too_big)
                await one.socket.writer.drain()
            await asyncio.wait_for(one.over.wait(), LATEST_S)
            return one

    assert asyncio.run(send()).code == TOO_BIG


def test_a_message_as_big_as_may_be_is_answered(live: Installation, honest: Person) -> None:
    async def send() -> bytes | None:
        socket = await WebSocket.open(live.address, "/ws/workspace/", session=honest.session)
        message = json.dumps({"after": 0}).encode().ljust(4096)
        socket.writer.write(frame(message[:9], flags=0) + frame(message[9:], CONTINUATION))
        try:
            return await asyncio.wait_for(socket.receive(), LATEST_S)
        finally:
            socket.close()

    assert b'"changes"' in (asyncio.run(send()) or b"")


def test_megabytes_in_a_row_are_not_read(live: Installation, attacker: Person, honest: Person) -> None:
    """One socket with 400 messages of a megabyte stopped everybody's pages."""

    async def attack() -> None:
        async with _undisturbed(live, honest):
            end = time.monotonic() + ATTACK_S
            while (left := end - time.monotonic()) > 0:
                async with attacking(
                    live.address, attacker.session, 1, lambda: greeting(padding=MEGABYTE - 100)
                ) as (one,):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(one.over.wait(), left)

    asyncio.run(attack())


def test_compression_is_not_spoken(live: Installation, attacker: Person) -> None:
    """A bomb would count after it was inflated; there is nothing to inflate."""

    async def send() -> Attacker:
        async with attacking(live.address, attacker.session, 1) as (one,):
            one.socket.writer.write(frame(b"\x00" * 50, TEXT, flags=FIN | COMPRESSED))
            await asyncio.wait_for(one.over.wait(), LATEST_S)
            return one

    assert asyncio.run(send()).over.is_set()


def test_the_129th_socket_is_closed_with_the_reason(
    live: Installation, attacker: Person, honest: Person
) -> None:
    """Two hundred idle sockets: others open theirs, and the 128 are served."""

    async def attack() -> list[int | None]:
        async with (
            attacking(live.address, attacker.session, 200) as attackers,
            _undisturbed(live, honest),
        ):
            await asyncio.sleep(ATTACK_S)
            return [each.code for each in attackers]

    assert asyncio.run(attack()) == [None] * 128 + [TOO_MANY_OF_OWNER] * 72


def test_who_leaves_his_messages_unread_is_cut_off(live: Installation, attacker: Person) -> None:
    """A paused laptop connects again and catches up; until then little is kept for it."""
    for _ in range(10):
        make_job(attacker.user, quantity=6, prompt="<" * 2000)
    numbers = itertools.count()
    server = Server(live)

    async def attack() -> None:
        def content() -> bytes:
            return greeting(7 * JOBS + next(numbers) % 2)

        async with attacking(live.address, attacker.session, 4, content, reading=False) as attackers:
            await asyncio.wait_for(asyncio.gather(*(each.over.wait() for each in attackers)), CUT_OFF_S)

    began = time.monotonic()
    asyncio.run(attack())
    print(f"after {time.monotonic() - began:.0f} s, {server.grew() / MEGABYTE:.0f} MB more")
    assert server.grew() < GROWTH_BYTES
    assert live.web is not None
    assert len(live.web.events("socket.unread")) >= 4


def test_nothing_is_read_of_a_handshake_that_is_not_accepted_yet(live: Installation) -> None:
    """A stranger's bytes wait in the network, and he is refused."""

    async def send() -> bytes:
        host = live.address.removeprefix("http://")
        name, port = host.split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        head = (
            f"GET /ws/workspace/ HTTP/1.1\r\nHost: {host}\r\nOrigin: {live.address}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        writer.write(head.encode())
        try:
            for _ in range(50):
                writer.write(os.urandom(MEGABYTE))
                await writer.drain()
            return await reader.read(100)
        except ConnectionError:
            return b""

    server = Server(live)
    answer = asyncio.run(send())
    assert answer.startswith(b"HTTP/1.1 403") or not answer
    assert server.grew() < GROWTH_BYTES
