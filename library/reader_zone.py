"""The reader's time zone: the days of the Library are the reader's."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest

COOKIE = "timezone"  # set by static/js/timezone.js


def reader_zone(request: HttpRequest) -> ZoneInfo:
    """The zone that the browser names in its cookie; UTC without one that is known here."""
    name = request.COOKIES.get(COOKIE, "")
    return ZoneInfo(name if name in _known() else "UTC")


@cache
def _known() -> frozenset[str]:
    # Membership first: ZoneInfo() opens a file by the name that it is given.
    return frozenset(available_timezones())
