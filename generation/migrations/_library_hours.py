"""Counts what each owner saved in each hour (UTC), in short transactions: where a run was stopped, the next goes on."""

from __future__ import annotations

from typing import Any

from django.db import transaction

CHUNK = 20_000  # rows counted in one transaction, and the rest of the hour that they end in
IN_LIBRARY = "owner_id = %s AND saved_at IS NOT NULL AND trashed_at IS NULL"
HOUR = {"postgresql": "date_trunc('hour', {}, 'UTC')", "sqlite": "substr({}, 1, 13) || ':00:00'"}
OWNERS = "SELECT owner_id FROM generation_ownercounter ORDER BY owner_id"
# The hours are counted from the newest on, each as a whole, so that the oldest there is says how far it came.
COUNTED = "SELECT min(hour) FROM generation_libraryhour WHERE owner_id = %s"
LAST = f"""
    SELECT {{hour}} FROM generation_asset WHERE {IN_LIBRARY} {{before}}
    ORDER BY saved_at DESC, id DESC LIMIT 1 OFFSET {CHUNK}
"""
COUNT = f"""
    INSERT INTO generation_libraryhour (owner_id, hour, count)
    SELECT owner_id, {{hour}}, count(*) FROM generation_asset WHERE {IN_LIBRARY} {{before}} {{since}} GROUP BY 1, 2
"""


def fill_hours(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(OWNERS)
        owners = [row[0] for row in cursor.fetchall()]
    for owner_id in owners:
        while _count_some(connection, owner_id):
            pass


def _count_some(connection: Any, owner_id: int) -> bool:
    """Count some more of the owner's hours; whether there may be others."""
    hour = HOUR[connection.vendor].format("saved_at")
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        counted = _one(cursor, COUNTED, [owner_id])
        before, given = ("AND saved_at < %s", [counted]) if counted else ("", [])
        last = _one(cursor, LAST.format(hour=hour, before=before), [owner_id, *given])
        since, more = ("AND saved_at >= %s", [last]) if last else ("", [])
        cursor.execute(COUNT.format(hour=hour, before=before, since=since), [owner_id, *given, *more])
    return bool(last)


def _one(cursor: Any, sql: str, params: list[Any]) -> Any:
    cursor.execute(sql, params)
    row = cursor.fetchone()
    return row[0] if row else None
