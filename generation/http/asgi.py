"""ASGI: the types of an application, a request that we put to one ourselves, problem objects as answers."""

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
    headers = {"Content-Type": PROBLEM_JSON, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
