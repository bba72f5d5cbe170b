"""Real threads with connections of their own, for what only two at once can show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """What `work` answers on another connection."""
    return together([work])[0]


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """The answers of all, begun at one moment; the first exception if there is any."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        barrier.wait(20)
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        return [done.result() for done in [threads.submit(run, work) for work in works]]
