"""A body between the transport and the application."""

from __future__ import annotations

import asyncio

from ourvidz.server.body_queue import HIGH_WATER_BYTES, BodyQueue

DISCONNECT = {"type": "http.disconnect"}


class Transport:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.body = BodyQueue(hold=lambda: self.told.append("hold"), go_on=lambda: self.told.append("go on"))


def part(body: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_nothing_is_read_before_it_is_asked_for() -> None:
    transport = Transport()
    transport.body.hold()
    asked = asyncio.create_task(transport.body.receive())
    assert transport.told == ["hold"]
    await asyncio.sleep(0)
    assert transport.told == ["hold", "go on"]
    transport.body.feed(b"first")
    assert await asked == part(b"first", more=True)


async def test_a_slow_application_holds_the_transport_back() -> None:
    transport = Transport()
    transport.body.feed(b"x" * HIGH_WATER_BYTES)
    transport.body.feed(b"y")
    assert transport.told == ["hold"]
    assert await transport.body.receive() == part(b"x" * HIGH_WATER_BYTES + b"y", more=True)
    assert transport.told == ["hold"], "nothing more is read before it is asked for"
    transport.body.complete()
    assert await transport.body.receive() == part(b"", more=False)
    assert transport.told == ["hold", "go on"]


async def test_a_whole_body_comes_at_once_and_then_the_disconnect() -> None:
    body = Transport().body
    body.feed(b"all")
    body.complete()
    assert await body.receive() == part(b"all", more=False)
    later = asyncio.create_task(body.receive())
    await asyncio.sleep(0)
    assert not later.done()
    body.put_nowait(DISCONNECT)
    assert [await later, await body.receive()] == [DISCONNECT, DISCONNECT]


async def test_no_body_is_an_empty_one() -> None:
    body = Transport().body
    body.complete()
    body.put_nowait(part(b"", more=False))  # daphne's own, of the file that it thinks the body is in
    assert await body.receive() == part(b"", more=False)


async def test_a_body_that_breaks_off_is_a_disconnect() -> None:
    body = Transport().body
    body.feed(b"half")
    body.put_nowait(DISCONNECT)
    assert await body.receive() == DISCONNECT
