"""A long poll in front of the lease view: a waiting worker holds no thread and no database connection.

The view answers at once. While it says 204, this waits for a hint (or a few seconds) and asks it again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.urls import reverse

from generation.catalog.job_types import Engine
from generation.changes import publisher
from generation.http import asgi
from generation.http.asgi import Application, Message, Receive, Send
from generation.http.problems import TOO_LARGE
from generation.worker_api.payloads import MAX_WAIT_SECONDS

log = structlog.get_logger("ourvidz.worker_api")
# Of 64 models with what each offers, and 200 pools of which half are warm and half withdrawn with a reason.
BODY_BYTES = 256 * 1024
# How soon a job is noticed when its hint was lost.
RECHECK_SECONDS = 5.0


class LongPoll:
    """Wraps the Django application for a URL that workers wait at."""

    def __init__(self, django: Application) -> None:
        self.django = django

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        if len(body) > BODY_BYTES:
            too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            await asgi.send_problem(send, too_large, TOO_LARGE, code="too_large")
            return
        disconnected = asyncio.ensure_future(_disconnected(receive))
        try:
            answer = await asgi.call(self.django, scope, body)
            if _is_idle(answer):
                answer = await self._wait(*_without_models(scope, body), disconnected) or answer
            await asyncio.sleep(0)  # so that a disconnect that has arrived is noticed
            if disconnected.done():
                await self._release(scope, answer)
                return
        finally:
            disconnected.cancel()
        for message in answer:
            await send(message)

    async def _wait(
        self, scope: Any, body: bytes, disconnected: asyncio.Future[None]
    ) -> list[Message] | None:
        """The first answer that is not idle, None when the time is over or the worker has disconnected."""
        wait_s, request = _wait_and_request(body)
        async with aclosing(_hints(self.groups(request), disconnected, wait_s)) as hints:
            async for _ in hints:
                # Not cut short by the deadline: a job that was leased must be answered.
                answer = await asgi.call(self.django, scope, body)
                if not _is_idle(answer):
                    return answer
        return None

    def groups(self, request: Mapping[str, Any]) -> list[str]:
        """The channel groups whose hints may bring what is waited for."""
        raise NotImplementedError

    async def _release(self, scope: Any, answer: Sequence[Message]) -> None:
        """The worker disconnected. What it did not hear of is leased anew when its time is over."""


class LeaseLongPoll(LongPoll):
    """That of the lease."""

    def groups(self, request: Mapping[str, Any]) -> list[str]:
        engines = request.get("engines", [])
        return [publisher.queue_group(engine) for engine in engines if engine in Engine.values]

    async def _release(self, scope: Any, answer: Sequence[Message]) -> None:
        """Release the job that was leased for a worker that disconnected, as the worker itself would."""
        lease = _leased(answer)
        if lease is None:
            return
        path = reverse("worker_api:release", args=[lease["job_id"]])
        body = json.dumps({"lease_token": lease["lease_token"]}).encode()
        request = {"path": path, "raw_path": path.encode(), "query_string": b""}
        released = await asgi.call(self.django, _of_length(scope, len(body)) | request, body)
        log.info("lease.undelivered", job=lease["job_id"], released=released[0].get("status") == 204)


class EmbeddingsLongPoll(LongPoll):
    """That of embedders."""

    def groups(self, request: Mapping[str, Any]) -> list[str]:
        return [publisher.EMBEDDERS]


async def _hints(
    groups: Sequence[str], disconnected: asyncio.Future[None], wait_s: float
) -> AsyncGenerator[None, None]:
    """Yields when the view is worth calling again: once subscribed, on a hint, and from time to time.

    Ends after `wait_s`. While the channel layer is away there are no hints, only the timer.
    """
    clock = asyncio.get_running_loop()
    deadline = clock.time() + wait_s
    layer = get_channel_layer()
    channel = await _joined(layer, groups)
    # One receive is kept across the waits: cancelling it gives the channel up.
    next_hint = _next_hint(layer, channel)
    try:
        while not disconnected.done() and (left := deadline - clock.time()) > 0:
            yield
            await asyncio.wait(
                {next_hint, disconnected},
                timeout=min(RECHECK_SECONDS, left),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if next_hint.done():
                next_hint = _next_hint(layer, None if next_hint.exception() else channel)
    finally:
        next_hint.cancel()
        await _leave(layer, channel, groups)


async def _joined(layer: Any, groups: Sequence[str]) -> str | None:
    """A channel subscribed to these groups; None when the channel layer is away."""
    channel: str | None = None
    try:
        async with asyncio.timeout(publisher.DEADLINE_SECONDS):
            channel = await layer.new_channel()
            for group in groups:
                await layer.group_add(group, channel)
    except Exception as error:  # noqa: BLE001 - whatever the layer's client raises, workers must not be sent away
        log.warning("hints.away", error=type(error).__name__)
        await _leave(layer, channel, groups)
        return None
    return channel


async def _leave(layer: Any, channel: str | None, groups: Sequence[str]) -> None:
    if channel is None:
        return
    try:
        async with asyncio.timeout(publisher.DEADLINE_SECONDS):
            for group in groups:
                await layer.group_discard(group, channel)
    except Exception as error:  # noqa: BLE001 - as above
        log.warning("hints.away", error=type(error).__name__)


def _next_hint(layer: Any, channel: str | None) -> asyncio.Future[Any]:
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    return never if channel is None else asyncio.create_task(layer.receive(channel))


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or enough to show that it is too large; None when the worker disconnected meanwhile."""
    body, more = b"", True
    while more and len(body) <= BODY_BYTES:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _disconnected(receive: Receive) -> None:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return


def _is_idle(answer: Sequence[Message]) -> bool:
    return bool(answer) and answer[0].get("status") == 204


def _leased(answer: Sequence[Message]) -> dict[str, Any] | None:
    """The body of an answer that leased a job."""
    if not answer or answer[0].get("status") != 200:
        return None
    lease: dict[str, Any] = json.loads(b"".join(message.get("body", b"") for message in answer))
    return lease


def _without_models(scope: Any, body: bytes) -> tuple[Any, bytes]:
    """The request without the worker's list of models, which the view has kept by now."""
    request = json.loads(body)
    if request.pop("models", None) is None:
        return scope, body
    rest = json.dumps(request).encode()
    return _of_length(scope, len(rest)), rest


def _of_length(scope: Any, length: int) -> dict[str, Any]:
    """The request's scope for a body of that many bytes."""
    others = (pair for pair in scope["headers"] if pair[0] != b"content-length")
    return {**scope, "headers": [(b"content-length", str(length).encode()), *others]}


def _wait_and_request(body: bytes) -> tuple[float, Mapping[str, Any]]:
    """How long to wait (s), and the body; the view has already validated it."""
    try:
        request = json.loads(body)
        return min(float(request.get("wait_s", 0)), MAX_WAIT_SECONDS), request
    except (ValueError, TypeError, AttributeError):
        return 0.0, {}
