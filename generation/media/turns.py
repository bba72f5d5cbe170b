"""Turns at the decoding processes, for which a thread waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from generation.core.fair_slots import FairSlots


class NoTurn(Exception):
    """The caller has as many waiting as it may, or its turn did not come in time."""


class FairSemaphore:
    """`slots` turns at once, fair among callers.

    With several slots a caller holds all but one at most, so that another finds one.
    """

    def __init__(self, slots: int, *, max_waiting: int) -> None:
        self._lock = threading.Lock()
        self._slots = FairSlots(total=slots, per_caller=max(1, slots - 1))
        self._max_waiting = max_waiting

    @contextmanager
    def turn(self, caller: str, *, wait: float) -> Iterator[None]:
        """Hold a slot; wait for it for at most `wait` seconds. Raises NoTurn."""
        self._acquire(caller, wait)
        try:
            yield
        finally:
            with self._lock:
                self._slots.release(caller)

    def _acquire(self, caller: str, wait: float) -> None:
        granted = threading.Event()
        with self._lock:
            self._slots.request(caller, granted)
            if not granted.is_set() and self._slots.waiting(caller) > self._max_waiting:
                self._slots.cancel(caller, granted)
                raise NoTurn
        if granted.wait(wait):
            return
        with self._lock:
            if not granted.is_set():  # else its turn came at the last moment
                self._slots.cancel(caller, granted)
                raise NoTurn
