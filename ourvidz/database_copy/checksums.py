"""Whether two tables hold the same rows, however each engine stores and sorts them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from ourvidz.database_copy.databases import SOURCE, TARGET
from ourvidz.database_copy.progress import Progress
from ourvidz.database_copy.tables import Row, Table, chunks

DIGEST_BITS = 256


class Checksum(NamedTuple):
    """Of the rows of a table in any order: engines sort text differently."""

    rows: int
    digest: str


def checksum(table: Table, using: str, progress: Progress) -> Checksum:
    rows = total = 0
    for chunk in chunks(table.rows(using)):
        total += sum(_digest(row) for row in chunk)
        rows += len(chunk)
        progress.advance(len(chunk))
    return Checksum(rows, f"{total % 2**DIGEST_BITS:064x}")


def _digest(row: Row) -> int:
    text = repr([canonical(value) for value in row])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def canonical(value: object) -> object:
    """The same for the same value from SQLite and from PostgreSQL."""
    convert = CANONICAL.get(type(value))
    return convert(value) if convert else value


# Of what is not here, as a date, `repr` is the same on both. PostgreSQL keeps 1e22 in JSON as a whole number.
CANONICAL: Mapping[type, Callable[[Any], object]] = {
    float: lambda value: int(value) if value.is_integer() else value,
    Decimal: lambda value: str(value.normalize()),
    datetime: lambda value: value.astimezone(UTC).isoformat(timespec="microseconds"),
    memoryview: bytes,
    list: lambda value: [canonical(each) for each in value],
    dict: lambda value: {key: canonical(value[key]) for key in sorted(value)},
}


def differences(table: Table) -> Iterator[str]:
    """What differs, a line for each row."""
    for chunk in chunks(table.rows_after(SOURCE, None)):
        there = _by_key(table, TARGET, chunk)
        for row in chunk:
            yield from _difference(table, row, there.get(row[0]))
    for chunk in chunks(table.rows_after(TARGET, None)):
        here = _by_key(table, SOURCE, chunk)
        yield from (f"{row[0]} is in the target alone" for row in chunk if row[0] not in here)


def _by_key(table: Table, using: str, chunk: Sequence[Row]) -> dict[object, Row]:
    keys = [row[0] for row in chunk]
    return {row[0]: row for row in table.rows(using).filter(**{f"{table.fields[0].attname}__in": keys})}


def _difference(table: Table, row: Row, other: Row | None) -> Iterator[str]:
    if other is None:
        yield f"{row[0]} is missing in the target"
        return
    values = zip(table.columns, row, other, strict=True)
    if columns := [column for column, one, two in values if canonical(one) != canonical(two)]:
        yield f"{row[0]} differs in {', '.join(columns)}"
