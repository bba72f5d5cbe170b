"""The plans of every statement that one claim sends."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from bench.databases import use
from generation.jobs.lease import lease
from generation.models import Worker


def plan_of_claim(case: str) -> str:
    """EXPLAIN ANALYZE of each statement of `lease` in `case`; nothing of it stays."""
    use(case)
    sent: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(note):
        lease(worker=Worker.objects.order_by("name")[0], engines=["sdxl", "wan"])
        transaction.set_rollback(True)
    return "\n\n".join(
        _plan(sql, params) for sql, params in sent if sql.lstrip().startswith(("SELECT", "UPDATE", "(SELECT"))
    )


def _plan(sql: str, params: Any) -> str:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
        lines = [line for (line,) in cursor.fetchall()]
        transaction.set_rollback(True)
    return "\n".join([sql[:400], *lines])
