"""A semaphore that is fair among callers: whoever asks for much does not starve the others."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurn(Exception):
    """The caller has as many waiting as it may, or its turn did not come in time."""


class FairSemaphore:
    """`slots` turns at once; callers are served in rotation, each in the order of its own requests.

    With several slots a caller holds all but one at most, so that another finds one.
    """

    def __init__(self, slots: int, *, max_waiting: int) -> None:
        self._lock = threading.Lock()
        self._free = slots
        self._max_held = max(1, slots - 1)
        self._max_waiting = max_waiting
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()

    @contextmanager
    def turn(self, caller: str, *, wait: float) -> Iterator[None]:
        """Hold a slot; wait for it for at most `wait` seconds. Raises NoTurn."""
        self._acquire(caller, wait)
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._held -= Counter([caller])
                self._serve()

    def _acquire(self, caller: str, wait: float) -> None:
        called = threading.Event()
        with self._lock:
            self._waiting.setdefault(caller, deque()).append(called)
            self._serve()
            if not called.is_set() and len(self._waiting[caller]) > self._max_waiting:
                self._leave(caller, called)
                raise NoTurn
        if called.wait(wait):
            return
        with self._lock:
            if not called.is_set():  # else its turn came at the last moment
                self._leave(caller, called)
                raise NoTurn

    def _serve(self) -> None:
        """Call the next of those who may, while there are slots."""
        while self._free:
            caller = next((each for each in self._waiting if self._held[each] < self._max_held), None)
            if caller is None:
                return
            called = self._waiting[caller][0]
            self._leave(caller, called)
            if caller in self._waiting:
                self._waiting.move_to_end(caller)
            self._free -= 1
            self._held[caller] += 1
            called.set()

    def _leave(self, caller: str, called: threading.Event) -> None:
        self._waiting[caller].remove(called)
        if not self._waiting[caller]:
            del self._waiting[caller]
