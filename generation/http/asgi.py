"""ASGI: the types of an application, and a request that is put to one by ourselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Message = Any  # ASGI's messages are open dictionaries
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


async def call(application: Application, scope: Any, body: bytes = b"") -> list[Message]:
    """The messages that the application answers this request with."""
    answer: list[Message] = []
    never = asyncio.Event()

    async def receive() -> Message:
        if not sent:
            sent.append(True)
            return {"type": "http.request", "body": body, "more_body": False}
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.append(message)

    sent: list[bool] = []
    await application(dict(scope), receive, send)
    return answer
