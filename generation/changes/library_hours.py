"""How many assets an owner has in the Library by the hour (UTC) they were saved in, for the date scrubber.

Changed with the Library totals, whose difference carries them (`LibraryTotals.hours`); days and months of any
time zone are sums of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, QuerySet
from django.db.models.functions import TruncHour

from generation.models import Asset, LibraryHour, OwnerCounter

ADD = """
    INSERT INTO generation_libraryhour (owner_id, hour, count) VALUES {}
    ON CONFLICT (owner_id, hour) DO UPDATE SET count = generation_libraryhour.count + excluded.count
"""
FILL = """
    INSERT INTO generation_libraryhour (owner_id, hour, count)
    SELECT owner_id, {}, count(*) FROM generation_asset
    WHERE saved_at IS NOT NULL AND trashed_at IS NULL {} GROUP BY 1, 2
"""
HOUR = {  # in SQLite as Django writes a moment without microseconds
    "postgresql": "date_trunc('hour', saved_at, 'UTC')",
    "sqlite": "substr(saved_at, 1, 13) || ':00:00'",
}


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def add(owner_id: int, hours: Mapping[datetime, int]) -> None:
    """Add these differences. The caller holds the lock on the owner's counter."""
    changed = sorted((hour, count) for hour, count in hours.items() if count)
    if not changed:
        return
    value = connection.ops.adapt_datetimefield_value
    rows = [each for hour, count in changed for each in (owner_id, value(hour), count)]
    with connection.cursor() as cursor:
        cursor.execute(ADD.format(", ".join(["(%s, %s, %s)"] * len(changed))), rows)


def newest_first(owner_id: int) -> list[tuple[datetime, int]]:
    """Each hour in which something was saved that is still there, and how much."""
    rows = LibraryHour.objects.filter(owner_id=owner_id, count__gt=0).order_by("-hour")
    return list(rows.values_list("hour", "count"))


def owners_with_wrong_hours() -> list[int]:
    """Owners whose hours differ from their rows."""
    stored, counted = _stored(), _counted()
    wrong = [*stored.difference(counted), *counted.difference(stored)]
    return sorted({owner_id for owner_id, _, _ in wrong})


def _stored() -> QuerySet[LibraryHour, Any]:
    stored = LibraryHour.objects.exclude(count=0).order_by()
    return stored.annotate(at=TruncHour("hour", tzinfo=UTC), number=F("count")).values_list(
        "owner_id", "at", "number"
    )


def _counted() -> QuerySet[Asset, Any]:
    saved = Asset.objects.in_library().order_by().annotate(at=TruncHour("saved_at", tzinfo=UTC))
    return saved.values("owner_id", "at").annotate(number=Count("pk")).values_list("owner_id", "at", "number")


@transaction.atomic
def recount(owner_id: int) -> None:
    """Set the owner's hours to those of the rows."""
    # First, in a statement of its own, as `library_totals.recount` does.
    list(OwnerCounter.objects.select_for_update().filter(pk=owner_id))
    LibraryHour.objects.filter(owner_id=owner_id).delete()
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(HOUR[connection.vendor], "AND owner_id = %s"), [owner_id])


def recount_all() -> None:
    """Of all owners, in one statement, for a database that nobody else uses."""
    LibraryHour.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(HOUR[connection.vendor], ""))
