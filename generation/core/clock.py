"""The database's clock, which every process shares."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import functions
from django.db.models.expressions import CombinedExpression

from generation.core.sql import DIALECTS


class Now(functions.Now):
    """The moment of the statement, in SQLite written as Django writes every other moment.

    SQLite compares moments as text. Django's own `Now` writes milliseconds there and parameters carry
    microseconds, so a stored moment never equals itself: a page that begins after it shows it again.
    """

    def as_sqlite(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        template = DIALECTS["sqlite"]["now"].replace("%", "%%")
        return self.as_sql(compiler, connection, template=template, **extra_context)


def from_now(seconds: float) -> CombinedExpression:
    """A moment by the database's clock."""
    return Now() + timedelta(seconds=seconds)
