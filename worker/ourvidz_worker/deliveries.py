"""Sends finished slots in a thread of its own, so that the engine makes the next one meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread

from ourvidz_worker.engines.base import FinishedSlot

Send = Callable[[FinishedSlot], None]


class Deliveries:
    """In the order of `add`. One that fails sets `halted` and is the last; `finish` raises its error."""

    def __init__(self, send: Send, halted: Event) -> None:
        self._send = send
        self._halted = halted
        self._waiting: SimpleQueue[FinishedSlot | None] = SimpleQueue()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, name="deliveries", daemon=True)
        self._thread.start()

    def add(self, finished: FinishedSlot) -> None:
        self._waiting.put(finished)

    def finish(self) -> None:
        """Returns when everything is delivered."""
        self._waiting.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (finished := self._waiting.get()) is not None:
            if self._failure is not None:
                continue
            try:
                self._send(finished)
            except Exception as error:  # noqa: BLE001 whatever it is, `finish` raises it where it is handled
                self._failure = error
                self._halted.set()
