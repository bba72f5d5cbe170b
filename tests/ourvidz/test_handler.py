"""A thread counts as long as it works, and its database connection goes back when the answer is made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.urls import path

from ourvidz.handler import SingleThreadHandler
from ourvidz.request_limits import RequestLimits

PATIENCE_S = 20
SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/view",
    "headers": [(b"host", b"localhost")],
    "client": ("192.0.2.1", 9),
}
may_end, is_running = threading.Event(), threading.Event()
seen: list[Any] = []


def view(request: HttpRequest) -> HttpResponse:
    seen.append(connection.connection)
    User.objects.exists()
    seen.append(connections["default"])
    is_running.set()
    may_end.wait(PATIENCE_S)
    return HttpResponse("done")


urlpatterns = [path("view", view)]


@pytest.fixture
async def handler(transactional_db: None, settings: LazySettings) -> AsyncIterator[SingleThreadHandler]:
    settings.ROOT_URLCONF = __name__
    seen.clear()
    may_end.clear()
    is_running.clear()
    yield SingleThreadHandler()
    may_end.set()
    await sync_to_async(connections.close_all)()


async def receive_request(messages: list[dict[str, Any]]) -> Any:
    if messages:
        return messages.pop()
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_caller_that_has_gone_counts_until_its_thread_is_free(
    handler: SingleThreadHandler, settings: LazySettings
) -> None:
    """Else whoever asks and hangs up has as many threads and connections as it likes."""
    settings.MAX_REQUESTS = settings.MAX_REQUESTS_PER_USER = 1
    limits = RequestLimits(handler)
    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    def ask() -> asyncio.Task[None]:
        messages: list[dict[str, Any]] = [{"type": "http.request"}]
        return asyncio.create_task(limits(dict(SCOPE), lambda: receive_request(messages), send))

    gone = ask()
    await asyncio.to_thread(is_running.wait, PATIENCE_S)
    gone.cancel()  # as daphne does to one that does not end
    await asyncio.wait({gone}, timeout=PATIENCE_S)
    waiting, impatient = ask(), ask()
    await asyncio.sleep(0.3)
    assert len(seen) == 2, "no other has begun"
    impatient.cancel()
    await asyncio.wait({impatient}, timeout=PATIENCE_S)
    may_end.set()
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert len(seen) == 4, "nobody who had gone was served"
    assert statuses.count(200) >= 1


async def test_a_reader_that_stands_still_holds_no_connection(handler: SingleThreadHandler) -> None:
    messages: list[dict[str, Any]] = [{"type": "http.request"}]
    answering, reading = asyncio.Event(), asyncio.Event()

    async def send(message: Any) -> None:
        answering.set()
        await reading.wait()

    may_end.set()
    request = asyncio.create_task(handler(dict(SCOPE), lambda: receive_request(messages), send))
    await asyncio.wait_for(answering.wait(), PATIENCE_S)
    wrapper = seen[1]
    assert wrapper.connection is None
    reading.set()
    await asyncio.wait_for(request, PATIENCE_S)
