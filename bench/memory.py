"""The memory of a process, while something is done to it."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Memory:
    """The resident memory of a process and its children, watched from a thread."""

    pid: int
    peak_mb: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)

    def now_mb(self) -> float:
        return sum(_resident_mb(pid) for pid in _family(self.pid))

    @contextmanager
    def watched(self) -> Iterator[None]:
        self.peak_mb, self._stopped = 0.0, threading.Event()
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        try:
            yield
        finally:
            self._stopped.set()
            watching.join()

    def _watch(self) -> None:
        while not self._stopped.wait(0.05):
            self.peak_mb = max(self.peak_mb, self.now_mb())


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:  # it grows meanwhile
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, _text(children).split())
    return found


def _resident_mb(pid: int) -> float:
    pages = _text(Path(f"/proc/{pid}/statm")).split()
    return int(pages[1]) * resource.getpagesize() / 2**20 if pages else 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""
