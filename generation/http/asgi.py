"""ASGI: the types of an application, a request that we put to one ourselves, and whole answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from generation.http.openapi import PROBLEM_JSON
from generation.http.problems import problem_object

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


async def send_problem(
    send: Send, status: int, detail: str, *, code: str, retry_after: int | None = None
) -> None:
    """Answer with a problem object; `retry_after` in seconds."""
    body = json.dumps(problem_object(status, detail, code=code)).encode()
    await send_answer(send, status, PROBLEM_JSON, body, retry_after=retry_after)


async def send_answer(
    send: Send,
    status: int,
    content_type: str,
    body: bytes,
    *,
    retry_after: int | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    """Answer with a whole body, kept by no cache; the server leaves it out after HEAD."""
    named = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    if retry_after is not None:
        named["Retry-After"] = str(retry_after)
    pairs = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
