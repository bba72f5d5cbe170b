"""Slots for requests in work: so many in all, so many of one caller; callers who wait take turns."""

from __future__ import annotations

import asyncio
from collections import Counter, deque


class NoSlotError(Exception):
    """None became free in time; `of_caller`: the caller's own requests hold as many as one caller may."""

    def __init__(self, *, of_caller: bool) -> None:
        super().__init__()
        self.of_caller = of_caller


class FairSlots:
    """Used on the event loop alone."""

    def __init__(self, *, total: int, per_caller: int) -> None:
        self._free, self._per_caller = total, per_caller
        self._held: Counter[str] = Counter()
        # In the order of their turns.
        self._waiting: dict[str, deque[asyncio.Event]] = {}

    async def take(self, caller: str, *, within_s: float) -> None:
        """Take a slot, waiting for one.

        Raises:
            NoSlotError
        """
        turn = asyncio.Event()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._pass_on()
        try:
            async with asyncio.timeout(within_s):
                await turn.wait()
        except BaseException as error:
            # A turn that came at that very moment is another's.
            if turn.is_set():
                self.release(caller)
            else:
                self._forget(caller, turn)
            if isinstance(error, TimeoutError):
                raise NoSlotError(of_caller=self._held[caller] >= self._per_caller) from None
            raise

    def release(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._free += 1
        self._pass_on()

    def _pass_on(self) -> None:
        """Give what is free to those who wait; the caller whose turn it was goes to the end."""
        while self._free and (caller := self._next()):
            turns = self._waiting.pop(caller)
            turn = turns.popleft()
            if turns:
                self._waiting[caller] = turns
            self._held[caller] += 1
            self._free -= 1
            turn.set()

    def _next(self) -> str | None:
        return next((caller for caller in self._waiting if self._held[caller] < self._per_caller), None)

    def _forget(self, caller: str, turn: asyncio.Event) -> None:
        turns = self._waiting[caller]
        turns.remove(turn)
        if not turns:
            del self._waiting[caller]
