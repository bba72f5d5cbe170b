"""Rendering live updates in a small thread pool, each once for all sockets of the process that need it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import structlog
from django.conf import settings
from django.db import close_old_connections

from generation.core.errors import DomainError
from generation.live.pages import LivePage, Update

log = structlog.get_logger("ourvidz.live")
T = TypeVar("T")
# How long a finished render is cached for sockets that get the same hint a little later.
RENDER_CACHE_SECONDS = 1.0


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.LIVE_THREADS, thread_name_prefix="live")


def shut_down() -> None:
    """Wait for running renders and cancel waiting ones. The next call starts threads again."""
    _executor().shutdown(cancel_futures=True)
    _executor.cache_clear()


def _with_connections(call: Callable[[], T]) -> T:
    """Close stale connections of the thread before and after the call."""
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()


class Render(Generic[T]):
    """One call in a thread. It sees at least what was committed before it started."""

    task: asyncio.Task[T]
    has_started = False
    sockets = 0  # that wait for it

    def start(self, call: Callable[[], T]) -> T:
        self.has_started = True
        return call()


class Renders:
    """The renders of one event loop that run, wait, or ended within the last second.

    Per key one render runs and at most one waits, so a thundering herd of sockets costs two. Each socket
    awaits one render at a time, which bounds their number. An owner has one thread at a time, so the
    threads, which take calls in their order, serve the owners in turn.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._latest: dict[Hashable, Render[Any]] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def in_thread(self, owner_id: int, call: Callable[[], T]) -> T:
        """Run `call` in a thread that may use the database, when no other of the owner's runs."""
        turn = self._turns.setdefault(owner_id, asyncio.Lock())
        await turn.acquire()
        running = self.loop.run_in_executor(_executor(), _with_connections, call)
        # Not when this waits no longer: the thread of a socket that has gone is still the owner's.
        running.add_done_callback(lambda _: turn.release())
        return await asyncio.shield(running)

    async def changes_after(self, page: LivePage, *, after: int, hinted: int | None) -> Update:
        """The changes after revision `after`.

        With a `hinted` revision a render that started earlier is enough if it has anything newer: the caller
        asks again from there. Without one it must start after this call, so that it misses no earlier commit.

        Raises:
            StaleCursor: as the feed does.
        """
        key = (page, after)
        earlier = self._latest.get(key) if hinted is not None else None
        update: Update | None = await self._result(key, earlier) if earlier else None
        if update is None or update.revision == after:
            render = self._waiting_or_new(key, page.owner_id, partial(page.update, after))
            update = await self._result(key, render)
        return update

    async def progress(self, page: LivePage, *, job_id: uuid.UUID, hint: str) -> str:
        """The job's progress. All sockets get the same hint, and share one render for it."""
        key = (page, job_id, hint)
        render: Render[str] | None = self._latest.get(key)
        if render is None:
            render = self._start(key, page.owner_id, partial(page.progress, job_id))
        return await self._result(key, render)

    async def moving(self, page: LivePage) -> str:
        """What moves on the page, as of the last second."""
        key = (page, "moving")
        render: Render[str] | None = self._latest.get(key)
        if render is None:
            render = self._start(key, page.owner_id, page.moving)
        return await self._result(key, render)

    async def _result(self, key: Hashable, render: Render[T]) -> T:
        """The result or exception. One that has not begun when its last socket goes is cancelled."""
        render.sockets += 1
        try:
            return await asyncio.shield(render.task)
        finally:
            render.sockets -= 1
            if not render.sockets and not render.has_started:
                render.task.cancel()
                self._evict(key, render)

    def _waiting_or_new(self, key: Hashable, owner_id: int, call: Callable[[], T]) -> Render[T]:
        latest = self._latest.get(key)
        if latest and not latest.has_started:
            return latest
        return self._start(key, owner_id, call, after=latest)

    def _start(
        self, key: Hashable, owner_id: int, call: Callable[[], T], after: Render[T] | None = None
    ) -> Render[T]:
        self._latest[key] = render = Render[T]()
        render.task = self.loop.create_task(self._run(key, render, owner_id, call, after))
        render.task.add_done_callback(_retrieve)
        return render

    async def _run(
        self, key: Hashable, render: Render[T], owner_id: int, call: Callable[[], T], after: Render[T] | None
    ) -> T:
        cache_seconds = 0.0
        try:
            if after:
                await asyncio.wait([after.task])
            result = await self.in_thread(owner_id, partial(render.start, call))
            cache_seconds = RENDER_CACHE_SECONDS
        except DomainError:
            raise
        except Exception as error:
            log.warning("render.failed", error=type(error).__name__, exc_info=True)
            raise
        finally:
            self.loop.call_later(cache_seconds, self._evict, key, render)
        return result

    def _evict(self, key: Hashable, render: Render[Any]) -> None:
        if self._latest.get(key) is render:
            del self._latest[key]


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark the exception as retrieved: every waiting socket may be gone."""
    if not task.cancelled():
        task.exception()


_renders: Renders | None = None


def renders() -> Renders:
    """The renders of the running loop; a process serves on one."""
    global _renders
    loop = asyncio.get_running_loop()
    if _renders is None or _renders.loop is not loop:
        _renders = Renders(loop)
    return _renders
