"""How the rows that a test committed are removed: from those tables that have any.

Django's own flush truncates all tables, then makes all permissions and content types anew. That takes longer
than most of the tests that commit.
"""

from __future__ import annotations

from functools import cache

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

# Their rows come from `migrate`, and no test changes them.
KEPT = {Permission._meta.db_table, ContentType._meta.db_table}


def remove_committed_rows(test_case: TransactionTestCase) -> None:
    """Stands for `TransactionTestCase._fixture_teardown`."""
    for alias in type(test_case)._databases_names(include_mirrors=False):
        tables = _tables(alias)
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            if connections[alias].vendor == "postgresql":  # waits for other connections, as TRUNCATE does
                cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
            for table in _with_rows(cursor, tables):
                cursor.execute(f"DELETE FROM {table}")


@cache
def _tables(alias: str) -> list[str]:
    """Their quoted names."""
    introspection, quote_name = connections[alias].introspection, connections[alias].ops.quote_name
    names = introspection.django_table_names(only_existing=True, include_views=False)
    return [quote_name(name) for name in names if name not in KEPT]


def _with_rows(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    probes = (f"SELECT {n} WHERE EXISTS (SELECT 1 FROM {table})" for n, table in enumerate(tables))
    cursor.execute(" UNION ALL ".join(probes))
    return [tables[n] for (n,) in cursor.fetchall()]
