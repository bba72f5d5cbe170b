"""How many bytes of uploads may be on their way in this process: of one caller, and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from ourvidz.refusals import BUSY_WITH_UPLOADS, TOO_MANY_UPLOADS

# A smaller upload counts as much, so that the bytes bound their number too.
MIN_COUNTED_BYTES = 1024 * 1024


class BudgetExceeded(Exception):
    """Too much is on its way; the same may be sent again later."""

    refusal = BUSY_WITH_UPLOADS


class CallerBudgetExceeded(BudgetExceeded):
    """The caller itself is sending as much as it may at once."""

    refusal = TOO_MANY_UPLOADS


class UploadBudget:
    """Counts what is on its way. For the event loop alone: it takes no lock."""

    def __init__(self) -> None:
        self._bytes_of: Counter[str] = Counter()

    @contextmanager
    def reserve(self, caller: str, size: int) -> Iterator[None]:
        """Count an upload until its request has been answered. Raises BudgetExceeded."""
        size = max(size, MIN_COUNTED_BYTES)
        if self._bytes_of[caller] + size > settings.UPLOAD_BYTES_PER_CALLER:
            raise CallerBudgetExceeded
        if self._bytes_of.total() + size > settings.UPLOAD_BYTES_IN_FLIGHT:
            raise BudgetExceeded
        self._bytes_of[caller] += size
        try:
            yield
        finally:
            self._bytes_of[caller] -= size
            self._bytes_of += Counter()  # forgets those who send nothing any more
