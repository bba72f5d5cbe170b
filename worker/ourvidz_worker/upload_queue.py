"""Uploads finished slots in a thread of its own, while the engine makes the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

from ourvidz_worker.engines.base import FinishedSlot


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A finished slot in the queue; `media` is its file in the spool, or its bytes if the disk took none."""

    finished: FinishedSlot
    media: bytes | Path = field(repr=False)

    @property
    def size(self) -> int:
        """In bytes. Raises OSError when the file is gone."""
        return len(self.media) if isinstance(self.media, bytes) else self.media.stat().st_size


Send = Callable[[PendingUpload], None]


class UploadQueue:
    """Sends in the order of `add`. The first error sets `halted` and ends it; `finish` raises that error."""

    def __init__(self, send: Send, halted: Event) -> None:
        self._send = send
        self._halted = halted
        self._pending: SimpleQueue[PendingUpload | None] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    def add(self, upload: PendingUpload) -> None:
        self._pending.put(upload)

    def finish(self) -> None:
        """Returns when everything is delivered."""
        self._pending.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (upload := self._pending.get()) is not None:
            if self._error is not None:
                continue
            try:
                self._send(upload)
            except Exception as error:  # noqa: BLE001 whatever it is, `finish` raises it where it is handled
                self._error = error
                self._halted.set()
