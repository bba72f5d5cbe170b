"""Hand-written SQL for the hottest statements: the ORM takes longer to build one than the database to run it.

Values are always bound, never written into the text; docs/benchmarks.md has the figures.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection, models

# Where the databases differ. `now` is the moment of the statement, in SQLite as Django writes moments;
# `later` is `%(seconds)s` after it, `minute_ago` a minute before it. `among` and `among_end` surround a
# subquery of ids that depends on other rows, so that those ids are looked up by index. Each percent sign is
# doubled, as in every statement with parameters.
_SQLITE_MOMENT = "REPLACE(STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f000', {}), '.000000', '')"
DIALECTS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {
        "now": "STATEMENT_TIMESTAMP()",
        "later": "STATEMENT_TIMESTAMP() + MAKE_INTERVAL(secs => %(seconds)s)",
        "minute_ago": "STATEMENT_TIMESTAMP() - INTERVAL '1 minute'",
        "skip_locked": "FOR UPDATE SKIP LOCKED",
        "json_array": "JSON_BUILD_ARRAY",
        "json_array_agg": "JSON_AGG",
        "among": "= ANY (ARRAY(",
        "among_end": "))",
    },
    "sqlite": {
        "now": _SQLITE_MOMENT.format("'NOW'"),
        "later": _SQLITE_MOMENT.format("'NOW', %(seconds)s || ' seconds'"),
        "minute_ago": _SQLITE_MOMENT.format("'NOW', '-1 minute'"),
        "skip_locked": "",  # one transaction writes at a time
        "json_array": "JSON_ARRAY",
        "json_array_agg": "JSON_GROUP_ARRAY",
        "among": "IN (",
        "among_end": ")",
    },
}
_UUID: models.UUIDField[Any, Any] = models.UUIDField()


def in_dialect(sql: str, **parts: str) -> str:
    """The statement for the database in use: the names of `DIALECTS` and `parts` filled in."""
    return sql.format(**DIALECTS[connection.vendor], **parts)


def value_rows(count: int) -> str:
    """Placeholders for that many rows of one value each, for `VALUES`."""
    return ", ".join(["(%s)"] * count)


def uuid_value(value: uuid.UUID | str) -> uuid.UUID | str:
    """A UUID in the database's own type."""
    native: uuid.UUID | str = _UUID.get_db_prep_value(value, connection)
    return native
