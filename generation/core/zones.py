"""Time zones by the names that browsers give."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones


def zone_named(name: str) -> ZoneInfo | None:
    """None for a name that is not known here."""
    return ZoneInfo(name) if name in _known() else None


@cache
def _known() -> frozenset[str]:
    # Membership first: ZoneInfo() opens a file by the name that it is given.
    return frozenset(available_timezones())
