"""Slots for requests in work, for which a coroutine waits."""

from __future__ import annotations

import asyncio

from generation.core.fair_slots import FairSlots


class NoSlotError(Exception):
    """None became free in time; `of_caller`: the caller's own requests hold as many as one caller may."""

    def __init__(self, *, of_caller: bool) -> None:
        super().__init__()
        self.of_caller = of_caller


class RequestSlots:
    """Used on the event loop alone."""

    def __init__(self, *, total: int, per_caller: int) -> None:
        self._slots = FairSlots(total=total, per_caller=per_caller)

    async def take(self, caller: str, *, within_s: float) -> None:
        """Take a slot, waiting for one.

        Raises:
            NoSlotError
        """
        granted = asyncio.Event()
        self._slots.request(caller, granted)
        try:
            async with asyncio.timeout(within_s):
                await granted.wait()
        except BaseException as error:
            self._slots.cancel(caller, granted)
            if isinstance(error, TimeoutError):
                raise NoSlotError(of_caller=self._slots.has_all_of(caller)) from None
            raise

    def release(self, caller: str) -> None:
        self._slots.release(caller)
