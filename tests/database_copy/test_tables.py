"""In which order tables are filled, when values of two engines are the same, and what names a target."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.management.base import CommandError
from django.db import models
from django.test.utils import isolate_apps

from ourvidz.database_copy.checksums import canonical
from ourvidz.database_copy.databases import target_settings
from ourvidz.database_copy.tables import Table, all_tables, load_order, refers_to_itself

pytestmark = pytest.mark.any_database
ID = UUID(int=7)


def test_each_table_comes_after_those_it_refers_to() -> None:
    seen: set[type[models.Model]] = set()
    for group in all_tables():
        seen |= {table.model for table in group}
        for table in group:
            keys = [field for field in table.model._meta.local_concrete_fields if field.remote_field]
            assert {field.remote_field.model for field in keys} <= seen
    assert "auth_user_groups" in {model._meta.db_table for model in seen}


@isolate_apps("ourvidz")
def test_a_circle_is_one_group() -> None:
    def model(name: str, **keys: str) -> type[models.Model]:
        meta = type("Meta", (), {"app_label": "ourvidz"})
        fields = {key: models.ForeignKey(to, models.CASCADE) for key, to in keys.items()}
        return type(name, (models.Model,), {"__module__": __name__, "Meta": meta, **fields})

    leaf = model("Leaf", branch="Branch")
    branch = model("Branch", trunk="Trunk")
    trunk = model("Trunk", branch="Branch", root="Root")
    root = model("Root", beside="self")
    groups = load_order([leaf, branch, trunk, root])
    assert groups == [[root], [branch, trunk], [leaf]]
    assert [refers_to_itself([Table(model) for model in group]) for group in groups] == [True, True, False]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
        (b"\x00\xff", memoryview(b"\x00\xff")),
        (Decimal("1.50"), Decimal("1.5")),
        ({"a": 1e22, "b": [1.0]}, {"b": [1], "a": 10**22}),
        (-0.0, 0.0),
        (ID, UUID(str(ID))),
    ],
)
def test_the_same_value_is_the_same(one: object, other: object) -> None:
    assert repr(canonical(one)) == repr(canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, ""),
        (None, 0),
        (1, "1"),
        (True, "True"),
        (0.1 + 0.2, 0.3),
        (2**53, 2**53 + 1),
        ("é", "e\u0301"),
        ("a", "a "),
        ({"a": None}, {}),
        ([1, 2], [2, 1]),
        (b"", ""),
        (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_another_value_is_another(one: object, other: object) -> None:
    assert repr(canonical(one)) != repr(canonical(other))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://a:secret@localhost/x", "must begin with postgres:// or sqlite:///"),
        ("mysql2", "must begin with postgres:// or sqlite:///"),
        ("", "must begin with postgres:// or sqlite:///"),
        ("postgres://a:secret@localhost:port/x", "must begin with postgres:// or sqlite:///"),
        ("postgres://a:secret@localhost", "names no database"),
        ("sqlite://", "names no database"),
        ("sqlite://:memory:", "names no database"),
        ("sqlite:////srv/secret#2.sqlite3", "write # as %23"),
        ("sqlite:////srv/secret?2.sqlite3", r"\? as %3F"),
    ],
)
def test_a_url_that_names_no_database_is_refused(url: str, sentence: str) -> None:
    """Pitfall 44. The URL is not repeated: it has a password."""
    with pytest.raises(CommandError, match=sentence) as refused:
        target_settings(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////srv/my%20%232%3F/db.sqlite3", "/srv/my #2?/db.sqlite3"),
        ("postgres://a:b@host:5433/x?sslmode=require", "x"),
        ("postgresql:///x", "x"),
    ],
)
def test_a_url_names_a_database(url: str, name: str) -> None:
    assert target_settings(url)["NAME"] == name
