"""One bad row must not stop the others: what is done to each row stands alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import structlog
from django.core.exceptions import ObjectDoesNotExist
from django.db import DataError, Error, IntegrityError

from generation.core.service_errors import service_error_of

log = structlog.get_logger("ourvidz.rows")
Key = TypeVar("Key")
# What a row can cause that holds something no program of ours wrote.
ROW_FAULTS = (IntegrityError, DataError, ObjectDoesNotExist, LookupError, TypeError, ValueError)


def concerns_the_row(error: Exception) -> bool:
    """Whether the next row may do better: neither the database nor the disk is at fault."""
    if isinstance(error, Error):
        return isinstance(error, IntegrityError | DataError)
    return service_error_of(error) is None


def each(
    keys: Iterable[Key], act: Callable[[Key], int], *, on_failure: Callable[[Key], object] | None = None
) -> int:
    """The sum of `act` of each; one that fails is logged and left, and what concerns all of them is raised.

    `act` must be a transaction of its own.
    """
    total = 0
    for key in keys:
        try:
            total += act(key)
        except Exception as error:
            if not concerns_the_row(error):
                raise
            log_failure("row.failed", error, row=str(key), act=_name_of(act))
            if on_failure:
                on_failure(key)
    return total


def in_batch(keys: Sequence[Key], act: Callable[[Sequence[Key]], int]) -> int:
    """`act` on all of them at once; where that fails, on each half, down to the one that is at fault.

    `act` must be a transaction of its own.
    """
    try:
        return act(keys) if keys else 0
    except Exception as error:
        if not concerns_the_row(error):
            raise
        if len(keys) == 1:
            log_failure("row.failed", error, row=str(keys[0]), act=_name_of(act))
            return 0
    middle = len(keys) // 2
    return in_batch(keys[:middle], act) + in_batch(keys[middle:], act)


def _name_of(act: Callable[..., object]) -> str:
    return str(getattr(getattr(act, "func", act), "__qualname__", act))


def log_failure(event: str, error: Exception, **ids: Any) -> None:
    """Without the traceback, and the first line only: PostgreSQL's second line holds the whole row."""
    reason = (str(error).splitlines() or [""])[0][:200]
    log.error(event, error=type(error).__name__, reason=reason, **ids)
