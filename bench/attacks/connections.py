"""Connections: pipelined HEADs, dripping and idle ones, large bodies to send, large files never read."""

from __future__ import annotations

import asyncio

from bench.attacks.target import Target, settled

BODY_BYTES = 110 * 1000 * 1000
MARK = b"HTTP/1.1 200"


async def head(target: Target) -> None:
    """HEADs with a request behind each on one connection: its answer must follow the headers at once."""

    async def once() -> None:
        reader, writer = await target.connect()
        try:
            writer.write(
                target.head("HEAD", "/api/schema/") + target.head("GET", "/healthz", {"Connection": "close"})
            )
            answer = await asyncio.wait_for(reader.read(-1), 20)
        finally:
            writer.close()
        behind = answer.partition(b"\r\n\r\n")[2]
        target.seen["in order" if behind.startswith(MARK) else "desynchronised"] += 1

    await target.repeat(2, lambda: settled([once()]), pause_s=0.05)


async def bodies(target: Target) -> None:
    """12 anonymous POSTs of 110 MB at once, to an address that takes no body."""

    async def once() -> None:
        reader, writer = await target.connect()
        try:
            writer.write(target.head("POST", "/healthz", {"Connection": "close"}, length=BODY_BYTES))
            chunk, left = b"x" * 65536, BODY_BYTES
            while left > 0 and target.is_on and not reader.at_eof():
                writer.write(chunk[:left])
                left -= len(chunk)
                await writer.drain()
            if left > 0 and not target.is_on:
                target.seen["taken in part"] += 1
                return
            answer = await asyncio.wait_for(reader.read(64), 20)
            target.seen[answer[9:12].decode("latin1") or "closed"] += 1
        except OSError:
            target.seen["cut off"] += 1
        finally:
            writer.close()

    await target.repeat(12, lambda: settled([once()]), pause_s=1)


async def readers(target: Target) -> None:
    """12 clients of one user who ask for a file of 102 MB and never read it."""

    async def once() -> None:
        _, writer = await target.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined] # sockets' transports have it
        writer.write(target.head("GET", target.big_file, {"Cookie": target.cookie}))
        await writer.drain()
        target.seen["asked"] += 1
        await asyncio.sleep(target.left_s)
        writer.transport.abort()

    await settled(once() for _ in range(12))


async def connections(target: Target) -> None:
    """300 connections that send a byte every two seconds and 1,100 that send none, from eight addresses."""

    async def one(number: int) -> None:
        try:
            reader, writer = await asyncio.wait_for(target.connect(f"127.0.0.{70 + number % 8}"), 10)
        except (OSError, TimeoutError):
            target.seen["not connected"] += 1
            return
        target.seen["connected"] += 1
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " if number < 300 else b"")
        try:
            while target.is_on and not reader.at_eof():
                await asyncio.sleep(2)
                writer.write(b"x" if number < 300 else b"")
                await writer.drain()
            target.seen["closed by the server"] += reader.at_eof()
        except OSError:
            target.seen["closed by the server"] += 1
        finally:
            writer.transport.abort()

    opening = []
    for number in range(1400):
        opening.append(asyncio.create_task(one(number)))
        if number % 20 == 19:
            await asyncio.sleep(0.02)
    await settled(opening)
