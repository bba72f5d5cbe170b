"""A long poll in front of the lease view: a waiting worker holds no thread and no database connection.

The view answers at once. While it says 204, this waits for a hint (or a few seconds) and asks it again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from channels.layers import get_channel_layer

from generation import events
from generation.job_types import Engine

BODY_BYTES = 16 * 1024
MOST_WAIT_SECONDS = 25.0
# How soon a job is noticed when its hint was lost.
RECHECK_SECONDS = 5.0
Message = Any  # ASGI's messages are open dictionaries
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


class LongPoll:
    """Wraps the Django application for the one lease URL."""

    def __init__(self, django: Application) -> None:
        self.django = django

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            await _too_large(send)
            return
        answer = await self._ask(scope, body)
        if _is_idle(answer):
            answer = await self._wait(scope, body, receive) or answer
        for message in answer:
            await send(message)

    async def _ask(self, scope: Any, body: bytes) -> list[Message]:
        """The view's answer to this request, as ASGI messages."""
        answer: list[Message] = []
        never = asyncio.Event()

        async def receive() -> Message:
            if not asked:
                asked.append(True)
                return {"type": "http.request", "body": body, "more_body": False}
            await never.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            answer.append(message)

        asked: list[bool] = []
        await self.django(dict(scope), receive, send)
        return answer

    async def _wait(self, scope: Any, body: bytes, receive: Receive) -> list[Message] | None:
        """The first answer that is not idle, None when the time is over or the worker has gone."""
        wait_s, engines = _wishes(body)
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async for _ in _hints(engines, gone, wait_s):
                # Not cut short by the deadline: a job that was leased must be answered.
                answer = await self._ask(scope, body)
                if not _is_idle(answer):
                    return answer
        finally:
            gone.cancel()
        return None


async def _hints(
    engines: Sequence[str], gone: asyncio.Future[None], wait_s: float
) -> AsyncGenerator[None, None]:
    """Yields when it is worth asking again: once listening, on a hint, now and then; ends after `wait_s`."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + wait_s
    layer = get_channel_layer()
    channel = await layer.new_channel()
    for engine in engines:
        await layer.group_add(events.queue_group(engine), channel)
    # One receive is kept across the waits: cancelling it gives the channel up.
    heard = asyncio.ensure_future(layer.receive(channel))
    try:
        while not gone.done() and (left := deadline - clock.time()) > 0:
            yield
            await asyncio.wait(
                {heard, gone}, timeout=min(RECHECK_SECONDS, left), return_when=asyncio.FIRST_COMPLETED
            )
            if heard.done():
                heard.result()
                heard = asyncio.ensure_future(layer.receive(channel))
    finally:
        heard.cancel()
        for engine in engines:
            await layer.group_discard(events.queue_group(engine), channel)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, None when it is over the limit."""
    body, more = b"", True
    while more:
        message: Message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES:
            return None
    return body


async def _disconnected(receive: Receive) -> None:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return


def _is_idle(answer: Sequence[Message]) -> bool:
    return bool(answer) and answer[0].get("status") == 204


def _wishes(body: bytes) -> tuple[float, list[str]]:
    """How long to wait (s), and for which engines; the view has already checked the body."""
    try:
        asked = json.loads(body)
        wait_s = min(float(asked.get("wait_s", 0)), MOST_WAIT_SECONDS)
        return wait_s, [engine for engine in asked.get("engines", []) if engine in Engine.values]
    except (ValueError, TypeError, AttributeError):
        return 0.0, []


async def _too_large(send: Send) -> None:
    problem = {"type": "about:blank", "title": "Request Entity Too Large", "status": 413}
    headers = [(b"content-type", b"application/problem+json")]
    start: Message = {"type": "http.response.start", "status": 413, "headers": headers}
    end: Message = {"type": "http.response.body", "body": json.dumps(problem).encode(), "more_body": False}
    await send(start)
    await send(end)
