"""The one byte range of a request, as RFC 9110 describes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import HttpRequest

ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def requested_range(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    """First byte and length of the range asked for, length 0 when it is outside; None for the whole.

    Several ranges, other units and nonsense mean the whole, as RFC 9110 allows.
    """
    asked = ONE_RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if asked is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = asked.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        return start, max(0, end - start + 1)
    if not last:
        return None
    length = min(int(last), size)
    return size - length, length
