"""The reader's time zone: the days of the Library are the reader's."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.http import HttpRequest

from generation.core.zones import zone_named

COOKIE = "timezone"  # set by static/js/timezone.js


def reader_zone(request: HttpRequest) -> ZoneInfo:
    """The zone that the browser names in its cookie; UTC without one that is known here."""
    return zone_named(request.COOKIES.get(COOKIE, "")) or ZoneInfo("UTC")
