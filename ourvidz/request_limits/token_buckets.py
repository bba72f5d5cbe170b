"""Token buckets in memory, one for each key, in a table that does not grow without end."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

KEYS = 10_000
ROUNDING_S = 1e-6  # what the sums of a clock's readings may be off


class TokenBuckets:
    """Each key may spend `burst` at once and `rate` a second for as long as it likes.

    Of a bucket only the moment is kept at which it is full again, so a forgotten one is a full one. The
    one that was used least recently is forgotten first.
    """

    def __init__(
        self, *, rate: float, burst: float, keys: int = KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._keys, self._clock = rate, keys, clock
        self._seconds = burst / rate  # to fill an empty one
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_of(self, key: str, cost: float = 1) -> float:
        """In how many seconds `cost` can be spent; 0 when it can be now."""
        now = self._clock()
        filled_in = max(0.0, self._full_at.get(key, now) - now)
        wait_s = filled_in + cost / self._rate - self._seconds
        return wait_s if wait_s > ROUNDING_S else 0.0

    def spend(self, key: str, cost: float = 1) -> None:
        """Spend `cost`, or what is left."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + cost / self._rate
        self._full_at[key] = min(full_at, now + self._seconds)
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._keys:
            self._full_at.popitem(last=False)

    def take(self, key: str, cost: float = 1) -> float:
        """Spend `cost` if there is as much. In how many seconds there will be; 0 when it was spent."""
        wait_s = self.wait_of(key, cost)
        if not wait_s:
            self.spend(key, cost)
        return wait_s
