"""Sockets of one signed-in user."""

from __future__ import annotations

import asyncio
import base64
import os

from bench.attacks.target import Target, settled

MESSAGE_BYTES = 1_000_000


async def opened(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    reader, writer = await target.connect()
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {
        "Origin": f"http://127.0.0.1:{target.port}",
        "Cookie": target.cookie,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
    writer.write(target.head("GET", "/ws/workspace/", headers))
    try:
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        answer = b""
    target.seen[answer[9:12].decode("latin1") or "refused"] += 1
    if b" 101 " in answer[:20]:
        return reader, writer
    writer.close()
    return None


def frame(text: bytes) -> bytes:
    """A text message, masked with zeros."""
    size = len(text)
    length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8, "big")
    return b"\x81" + length + bytes(4) + text


async def flood(target: Target, text: bytes, *, most: int, pause_s: float) -> None:
    """Messages until the time is over; what comes back is read and thrown away."""
    pair = await opened(target)
    if pair is None:
        return
    reader, writer = pair
    reading = asyncio.create_task(_drain(reader))
    try:
        for _ in range(most):
            if not target.is_on or reading.done():
                break
            writer.write(frame(text))
            await asyncio.wait_for(writer.drain(), target.seconds)
            target.seen["messages"] += 1
            await asyncio.sleep(pause_s)
        await asyncio.wait([reading], timeout=target.left_s)
        target.seen["closed by the server"] += reading.done()
    except (OSError, TimeoutError):
        target.seen["cut off"] += 1
    finally:
        reading.cancel()
        writer.transport.abort()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def sockets(target: Target) -> None:
    """20 sockets that ask for everything, over and over."""
    await settled(flood(target, b'{"after":0}', most=20_000, pause_s=0.02) for _ in range(20))


async def messages(target: Target) -> None:
    """400 messages of 1 MB on one socket."""
    text = b'{"after":0,"x":"' + b"x" * MESSAGE_BYTES + b'"}'
    await settled([flood(target, text, most=400, pause_s=0)])
