"""What pages ask for again and again is read by the index meant for it.

PostgreSQL plans a prepared statement without its parameters after a while, so that a partial index whose
condition needs one of them is of no use to it. SQLite knows nothing of how many rows an index leaves.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Index, Model, ProtectedError, UniqueConstraint

from generation.access import quotas
from generation.assets import listing as assets
from generation.assets import relations
from generation.assets.embeddings import nearest
from generation.assets.filters import AssetFilter
from generation.jobs import import_files
from generation.jobs import listing as jobs
from generation.models import Asset
from tests.factories import make_job

pytestmark = pytest.mark.django_db

CALLS: dict[str, tuple[str, Callable[[int], object]]] = {
    "results to review, counted": ("asset_to_review", lambda owner: jobs.work_counts(owner_id=owner)),
    "results to review": (
        "asset_to_review",
        lambda owner: jobs.staged_jobs(owner_id=owner, only_to_review=True),
    ),
    "work in progress, counted": ("job_active", lambda owner: jobs.work_counts(owner_id=owner)),
    "the limit of work in progress": ("job_active", quotas.check),
    "what runs and waits": ("job_active", lambda owner: jobs.staged_jobs(owner_id=owner)),
    "what waits": ("job_active", lambda owner: jobs.waiting_jobs(owner_id=owner)),
    "earlier prompts": ("job_newest", lambda owner: jobs.earlier_prompts(owner_id=owner)),
    "the last seed": ("job_newest", lambda owner: jobs.last_seed(owner_id=owner)),
    "what is finished": ("job_finished", lambda owner: jobs.staged_jobs(owner_id=owner)),
    "rated": (
        "asset_rated",
        lambda owner: assets.library(owner_id=owner, only=AssetFilter(rating=4)),
    ),
    "favourites": (
        "asset_favourites",
        lambda owner: assets.library(owner_id=owner, only=AssetFilter(favourite=True)),
    ),
    "made from": ("asset_sha256", lambda owner: relations.made_from(_asset_of(owner))),
    "made into": ("reference_uses", lambda owner: relations.made_into(_asset_of(owner))),
    "what is there already": ("asset_sha256", lambda owner: import_files._check_new(owner, "a" * 64)),
    "how many are compared": ("embedding_of_owner", nearest._has_few),
    "what an account still has": ("embedding_owner", lambda owner: _delete_account(owner)),
}


def _delete_account(owner: int) -> None:
    with contextlib.suppress(ProtectedError):
        User.objects.filter(pk=owner).delete()


TABLES = ("job", "asset", "jobreference", "reference", "embedding")


def _asset_of(owner: int) -> Asset:
    return Asset.objects.filter(owner=owner)[0]


def plans(call: Callable[[], object]) -> list[str]:
    """How the statements of `call` are planned; on PostgreSQL when nothing is known of their parameters."""
    sent: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call()
    return [_plan(sql, params or ()) for sql, params in sent if sql.startswith("SELECT")]


def _plan(sql: str, params: Sequence[Any]) -> str:
    if connection.vendor == "postgresql":
        return _generic_plan(sql, len(params))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return "\n".join(row[3] for row in cursor.fetchall())


def _generic_plan(sql: str, count: int) -> str:
    prepared = sql % tuple(f"${number}" for number in range(1, count + 1))
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")  # there are but a few rows
        lines: list[str] = []
        for sorts in ("on", "off"):  # few rows may be cheap to sort, which many are not
            cursor.execute(f"SET LOCAL enable_sort = {sorts}")
            cursor.execute(f"PREPARE planned AS {prepared}")
            cursor.execute(f"EXPLAIN EXECUTE planned{arguments}")
            lines += [line for (line,) in cursor.fetchall()]
            cursor.execute("DEALLOCATE planned")
    return "\n".join(lines)


def _forget_other_tests() -> None:
    """Plan as on a new database: after other tests each table is known to be empty, and every index does."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in (f"generation_{each}" for each in TABLES):
            cursor.execute(f"REINDEX TABLE {table}")
            cursor.execute("DELETE FROM pg_statistic WHERE starelid = %s::regclass", [table])
            cursor.execute("UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE relname = %s", [table])


@pytest.mark.parametrize("name", CALLS)
def test_a_statement_finds_its_index(name: str, owner: User) -> None:
    """Pitfall 26: a page took seconds where one owner has much, after others' had been planned for."""
    index, call = CALLS[name]
    make_job(owner)
    if connection.vendor == "postgresql":
        _forget_other_tests()
    found = plans(lambda: call(owner.pk))
    assert [plan for plan in found if re.search(rf"(using|on|INDEX) {index} ", plan, re.ASCII)], found


def test_what_refers_to_a_row_that_is_deleted_is_read_from_an_index() -> None:
    """A partial one is of no use to the database's own check, nor to that of PROTECT."""
    every = [model for model in apps.get_models() if not model._meta.proxy]
    assert [without for model in every for without in _unindexed(model)] == []


def _unindexed(model: type[Model]) -> Iterator[str]:
    kinds = (*model._meta.indexes, *model._meta.constraints)
    whole = [each for each in kinds if isinstance(each, Index | UniqueConstraint) and each.condition is None]
    first = {_first(each) for each in whole} | {names[0] for names in model._meta.unique_together}
    fields: Any = model._meta.concrete_fields  # the stubs know no `db_index`
    for field in fields:
        if field.is_relation and not (field.db_index or field.unique or field.name in first):
            yield str(field)


def _first(index: Index | UniqueConstraint) -> str:
    """The field that it begins with."""
    if index.fields:
        return index.fields[0].lstrip("-")
    first: Any = index.expressions[0]
    while hasattr(first, "expression"):  # in an order
        first = first.expression
    return str(getattr(first, "name", ""))
