"""Slots that are fair among callers: whoever asks for much does not starve the others."""

from __future__ import annotations

from collections import Counter, deque
from typing import Protocol


class Event(Protocol):
    """An asyncio.Event or a threading.Event."""

    def set(self) -> None: ...
    def is_set(self) -> bool: ...


class FairSlots:
    """So many slots in all, and so many of one caller; callers who wait are served in rotation.

    Each caller's requests come in their own order. Nothing here waits or locks: whoever uses it waits for the
    event that it gave, on the event loop alone or under a lock.
    """

    def __init__(self, *, total: int, per_caller: int) -> None:
        self._free, self._per_caller = total, per_caller
        self._held: Counter[str] = Counter()
        # In the order of their turns.
        self._waiting: dict[str, deque[Event]] = {}

    def request(self, caller: str, granted: Event) -> None:
        """Ask for a slot; the event is set when it is the caller's, perhaps before this returns."""
        self._waiting.setdefault(caller, deque()).append(granted)
        self._grant()

    def cancel(self, caller: str, granted: Event) -> None:
        """Wait no longer, or return the slot if it was granted at that very moment."""
        if granted.is_set():
            self.release(caller)
            return
        self._waiting[caller].remove(granted)
        if not self._waiting[caller]:
            del self._waiting[caller]

    def release(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._free += 1
        self._grant()

    def waiting(self, caller: str) -> int:
        return len(self._waiting.get(caller, ()))

    def has_all_of(self, caller: str) -> bool:
        """Whether the caller holds as many as one caller may."""
        return self._held[caller] >= self._per_caller

    def _grant(self) -> None:
        """Give what is free to those who wait; the caller whose turn it was goes to the end."""
        while self._free and (caller := self._next()):
            requests = self._waiting.pop(caller)
            granted = requests.popleft()
            if requests:
                self._waiting[caller] = requests
            self._held[caller] += 1
            self._free -= 1
            granted.set()

    def _next(self) -> str | None:
        return next((caller for caller in self._waiting if not self.has_all_of(caller)), None)
