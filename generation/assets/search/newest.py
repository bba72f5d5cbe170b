"""The newest results that fit a search, quickly whether its words are common, rare or missing."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from generation.assets import stacks
from generation.assets.search.match import Match
from generation.models import Asset, SearchEntry
from generation.models.asset import AssetQuerySet

Rows = AssetQuerySet[Asset]

LOOKED_AT = 1_000  # of the newest rows, before the index is asked
SORTED = 20_000  # found by the index; of more than that the newest rows are looked at first
LOOKED_AT_NEXT = 50_000
# A search is planned by how frequent its words are, not once for all of them, and never through others' rows.
SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
SET_LOCALLY = "SELECT " + ", ".join(f"set_config('{name}', '{to}', true)" for name, to in SETTINGS.items())


def newest_ids(
    rows: Rows,
    by: str,
    match: Match,
    limit: int,
    *,
    fitting: Rows | None = None,
    entries: QuerySet[SearchEntry] | None = None,
) -> list[uuid.UUID]:
    """The first `limit` that match of these rows, which are ordered by `by` and id, newest first.

    With `fitting` the first that are the best of their job's among it. `entries` are those that match of the
    same rows, in the same order, where they tell it by themselves.
    """
    if entries is not None:
        found = _by_entries(rows, by, match, limit, fitting, entries)
        if found is not None:
            return found
    if connection.vendor == "sqlite":  # one machine's: what the index finds is sorted, however much
        return _found_by_index(rows, match, limit, fitting)
    with _planned_for_search():
        found = _first(rows, by, match, limit, LOOKED_AT, fitting)
        if len(found) < limit and _entries(match)[: SORTED + 1].count() > SORTED:
            found = _first(rows, by, match, limit, LOOKED_AT_NEXT, fitting)
        return found if len(found) == limit else _found_by_index(rows, match, limit, fitting)


def _by_entries(
    rows: Rows,
    by: str,
    match: Match,
    limit: int,
    fitting: Rows | None,
    entries: QuerySet[SearchEntry],
) -> list[uuid.UUID] | None:
    """As `newest_ids`; None where it takes a look at the assets."""
    with _planned_for_search():
        if connection.vendor == "postgresql":
            found = _first(rows, by, match, limit, LOOKED_AT, fitting)
            if len(found) == limit:
                return found
        wanted = limit if fitting is None else stacks.MEMBERS * limit
        ids = list(entries.values_list("asset_id", flat=True)[:wanted])
        if fitting is None:
            return ids
        best = stacks.collapsed(rows.filter(pk__in=ids), fitting)
        found = list(best.values_list("pk", flat=True)[:limit])
        return found if len(found) == limit or len(ids) < wanted else None


def count(
    rows: Rows,
    match: Match | None,
    most: int,
    *,
    fitting: Rows | None = None,
    entries: QuerySet[SearchEntry] | None = None,
) -> int:
    """How many of these rows there are that match, or stacks of them, counted up to `most`."""
    if entries is not None and fitting is None:
        with _planned_for_search():
            return entries.order_by()[:most].count()
    rows = rows.order_by()
    matching = _matching(rows, match) if match else rows
    with _planned_for_search():
        return matching[:most].count() if fitting is None else stacks.count(matching, fitting, most)


def _first(
    rows: Rows, by: str, match: Match, limit: int, looked_at: int, fitting: Rows | None
) -> list[uuid.UUID]:
    if fitting is None:
        return _among_first(rows, by, match, limit, looked_at)
    ids = _among_first(rows, by, match, stacks.MEMBERS * limit, looked_at)
    best = stacks.collapsed(rows.filter(pk__in=ids), fitting)
    return list(best.values_list("pk", flat=True)[:limit])


def _among_first(rows: Rows, by: str, match: Match, limit: int, looked_at: int) -> list[uuid.UUID]:
    """Those that match of the first rows: PostgreSQL reads no inverted index in another column's order."""
    try:
        first, params = _sql(rows.values("id", by)[:looked_at])
    except EmptyResultSet:  # narrowed to none, as by content that nothing here has
        return []
    statement = (
        f"SELECT first.id FROM ({first}) AS first"  # noqa: S608 # of the ORM, values are bound
        " JOIN generation_searchentry ON asset_id = first.id"
        f" WHERE tokens @@ %s::tsquery ORDER BY first.{by} DESC, first.id DESC LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, match.for_postgresql(), limit])
        return [row[0] for row in cursor.fetchall()]


def _found_by_index(rows: Rows, match: Match, limit: int, fitting: Rows | None) -> list[uuid.UUID]:
    matching = _among_found(rows, match)
    if fitting is not None:
        matching = stacks.collapsed(matching, fitting)
    return list(matching.values_list("pk", flat=True)[:limit])


def _matching(rows: Rows, match: Match) -> Rows:
    """SQLite, where these rows come first, else runs through all that match for each of them."""
    if connection.vendor == "sqlite":
        return _among_found(rows, match)
    return rows.filter(search_entry__tokens__matching=match)


def _among_found(rows: Rows, match: Match) -> Rows:
    """Those of these rows that the index finds, which it is asked for once."""
    sql, params = _sql(_entries(match).values("asset_id"))
    statement = f"WITH found AS MATERIALIZED ({sql}) SELECT asset_id FROM found"  # noqa: S608 # of the ORM
    return rows.filter(pk__in=RawSQL(statement, params))  # noqa: S611


def _entries(match: Match) -> QuerySet[SearchEntry]:
    return SearchEntry.objects.filter(tokens__matching=match)


def _sql(rows: QuerySet[Any, Any]) -> tuple[str, Sequence[Any]]:
    sql, params = rows.query.get_compiler(connection=connection).as_sql()
    return sql, params


@contextlib.contextmanager
def _planned_for_search() -> Iterator[None]:
    if connection.vendor == "sqlite":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(SET_LOCALLY)
        yield
