"""All metadata of the Library as JSON Lines, in bounded memory and without holding a database connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from generation.assets import listing
from generation.assets.filters import AssetFilter
from generation.assets.parameters import parameters_of_each
from generation.core import connections

ROWS_AT_ONCE = 200


def json_lines(*, owner_id: int, only: AssetFilter) -> Iterator[bytes]:
    """One line for each saved asset that matches, newest first."""
    cursor = ""
    while True:
        found = listing.saved(owner_id=owner_id, only=only)
        source = found.source.select_related("job", "project").prefetch_related("job__references")
        page = replace(found, source=source).page(cursor, ROWS_AT_ONCE)
        parameters = parameters_of_each(page.assets)
        connections.give_back()
        lines = (json.dumps(values, ensure_ascii=False) + "\n" for values in parameters)
        yield "".join(lines).encode()
        if not (cursor := page.next_cursor):
            return
