"""Sends finished slots in a thread of its own, so that the engine makes the next one meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

from ourvidz_worker.engines.base import FinishedSlot


@dataclass(frozen=True, slots=True)
class Parcel:
    """A finished slot on its way; `media` is its file on disk, or its bytes where the disk took none."""

    finished: FinishedSlot
    media: bytes | Path = field(repr=False)

    @property
    def size(self) -> int:
        """In bytes. Raises OSError when the file is gone."""
        return len(self.media) if isinstance(self.media, bytes) else self.media.stat().st_size


Send = Callable[[Parcel], None]


class Deliveries:
    """In the order of `add`. One that fails sets `halted` and is the last; `finish` raises its error."""

    def __init__(self, send: Send, halted: Event) -> None:
        self._send = send
        self._halted = halted
        self._waiting: SimpleQueue[Parcel | None] = SimpleQueue()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, name="deliveries", daemon=True)
        self._thread.start()

    def add(self, parcel: Parcel) -> None:
        self._waiting.put(parcel)

    def finish(self) -> None:
        """Returns when everything is delivered."""
        self._waiting.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (parcel := self._waiting.get()) is not None:
            if self._failure is not None:
                continue
            try:
                self._send(parcel)
            except Exception as error:  # noqa: BLE001 whatever it is, `finish` raises it where it is handled
                self._failure = error
                self._halted.set()
