"""Keyset pagination: a page of rows and an opaque cursor for the next one."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import UTC, datetime
from typing import TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

from generation.core.errors import DomainError

Row = TypeVar("Row", bound=Model)


class BadCursor(DomainError):
    """A malformed cursor."""

    code = "bad_cursor"

    def __init__(self) -> None:
        super().__init__("This cursor is not one of ours. Start again without it.")


def newest_by_id(rows: QuerySet[Row], cursor: str, limit: int) -> tuple[list[Row], str]:
    """A page of these rows, newest id first, and the cursor of the next page, empty at the end.

    Raises:
        BadCursor
    """
    if cursor:
        try:
            rows = rows.filter(pk__lt=uuid.UUID(cursor))
        except ValueError:
            raise BadCursor from None
    found = list(rows.order_by("-pk")[: limit + 1])
    page = found[:limit]
    return page, str(page[-1].pk) if len(found) > limit else ""


def older_than(rows: QuerySet[Row], by: str, cursor: str, *, tie: str = "id") -> QuerySet[Row]:
    """The rows after `cursor`, by the timestamp `by` descending, then by `tie`, their id, descending.

    Raises:
        BadCursor
    """
    ordered = rows.order_by(F(by).desc(), F(tie).desc())
    if not cursor:
        return ordered
    moment, last_id = _parse(cursor)
    # The redundant first condition lets the index bound the range.
    earlier = Q(**{f"{by}__lt": moment}) | Q(**{by: moment, f"{tie}__lt": last_id})
    return ordered.filter(Q(**{f"{by}__lte": moment}), earlier)


def cursor_of(moment: datetime, row_id: uuid.UUID) -> str:
    """The cursor of the rows that follow this one."""
    text = f"{moment.isoformat()}|{row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parse(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, row_id = text.partition("|")
        parsed = parse_datetime(moment)
        if parsed is None or parsed.tzinfo is None:
            raise BadCursor
        return parsed.astimezone(UTC), uuid.UUID(row_id)
    except (ValueError, OverflowError, binascii.Error):
        raise BadCursor from None
