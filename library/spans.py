"""The parts of the Library that the grid asks for: runs of whole hours (UTC), named by hours since 1970.

Their names in addresses are none of the filter's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

from django.utils.datastructures import MultiValueDictKeyError

from generation.assets.listing import Listing, Page, Place
from generation.core.keyset import cursor_of
from library.presenters import KEY_MOMENT

PAGE = 60  # assets in a page that names no number
CHUNK = 100  # assets in one part, unless one hour has more
MOST = 200  # in one answer; what is beyond follows by its cursor
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_HOUR = 24 * 366 * 500
NUMBER = re.compile(r"[0-9]{1,7}")
KEY = re.compile(r"([0-9]{20})-([0-9a-f]{32})")


class BadSpan(ValueError):
    """The address names no span."""


@dataclass(frozen=True, slots=True)
class Span:
    """From the hour `from_hour` to the hour `to_hour`, which is outside; `skip` its newest, `take` so many.

    `after` is the cursor that the key of the tile before the first one gives.
    """

    from_hour: datetime | None = None
    to_hour: datetime | None = None
    skip: int = 0
    take: int = PAGE
    after: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The span in a page's query string; all of time without one. Raises BadSpan."""
        return cls(
            from_hour=_hour(query.get("from_hour", "")),
            to_hour=_hour(query.get("to_hour", "")),
            skip=_number(query.get("skip", "")) or 0,
            take=min(MOST, _number(query.get("take", "")) or PAGE),
            after=cursor_of(*place_of(query, "after")) if "after" in query else "",
        )

    def page(self, listing: Listing, cursor: str) -> Page:
        """The tiles of the span. Raises BadCursor."""
        part = listing.between(since=self.from_hour, before=self.to_hour)
        return part.page(cursor or self.after, self.take, skip=self.skip)


def _number(text: str) -> int | None:
    if text and not NUMBER.fullmatch(text):
        raise BadSpan
    return int(text) if text else None


def _hour(text: str) -> datetime | None:
    number = _number(text)
    if number is None:
        return None
    if number > MAX_HOUR:
        raise BadSpan
    return EPOCH + timedelta(hours=number)


def place_of(query: Mapping[str, str], name: str) -> Place:
    """A tile's key in the query string (`Tile.key`). Raises BadSpan."""
    try:
        found = KEY.fullmatch(query[name])
        if not found:
            raise BadSpan
        moment = datetime.strptime(found[1], KEY_MOMENT).replace(tzinfo=UTC)
    except (MultiValueDictKeyError, ValueError):
        raise BadSpan from None
    return moment, uuid.UUID(found[2])


def parts(hours: Iterable[tuple[datetime, int]], zone: tzinfo) -> list[list[int]]:
    """Hours, newest first, gathered to parts of about CHUNK assets: [the oldest hour, the number] of each.

    No part reaches over the beginning of a month in the reader's zone, so that the scrubber can name it.
    """
    found: list[list[int]] = []
    month = None
    for hour, count in hours:
        local = hour.astimezone(zone)
        starts_month = month != (month := (local.year, local.month))
        number = int((hour - EPOCH) / timedelta(hours=1))
        if starts_month or found[-1][1] + count > CHUNK:
            found.append([number, count])
        else:
            found[-1] = [number, found[-1][1] + count]
    return found
