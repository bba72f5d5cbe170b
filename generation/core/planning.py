"""What SQLite's planner is told of how many rows a condition leaves (decision 57)."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, ExpressionWrapper, Func, Q

# More than is named one by one, or than a job has: that goes first, by its own index. With more than half,
# SQLite would read the whole table instead. It is near the truth: whoever ran ANALYZE has no worse plans.
MANY = 0.5  # of an owner's, of a worker's
SOME = 0.05  # of a project's


class Leaves(Func):
    """The condition, with the part of the table that meets it: `filter(Leaves(MANY, owner_id=…))`.

    PostgreSQL counts for itself, and sees the condition alone.
    """

    template = "%(expressions)s"
    output_field = BooleanField()

    def __init__(self, part: float, **condition: Any) -> None:
        super().__init__(ExpressionWrapper(Q(**condition), BooleanField()))
        self.part = part

    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **_: Any) -> Any:
        return self.as_sql(compiler, connection, template=f"likelihood(%(expressions)s, {self.part})")
