"""Rows that refer to one another, or to later ones of their own table: no model has such today."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections, models, transaction
from django.db.utils import load_backend
from django.test.utils import isolate_apps
from pytest_django import DjangoDbBlocker

from ourvidz.database_copy import state, tables
from ourvidz.database_copy.databases import SOURCE, TARGET, open_target, target_settings
from ourvidz.database_copy.move import copy_rows
from ourvidz.database_copy.tables import Table, load_order
from tests.database_copy.databases import Databases

pytestmark = pytest.mark.postgres
Model = type[models.Model]


@pytest.fixture
def circle() -> Iterator[list[Model]]:
    """Models that exist in this test alone."""
    with isolate_apps("ourvidz"):

        def model(name: str, **keys: str) -> Model:
            meta = type("Meta", (), {"app_label": "ourvidz"})
            fields = {key: models.ForeignKey(to, models.CASCADE) for key, to in keys.items()}
            return type(name, (models.Model,), {"__module__": __name__, "Meta": meta, **fields})

        yield [model("Hen", egg="Egg"), model("Egg", hen="Hen"), model("Parent", child="self")]


@pytest.fixture
def own_source(databases: Databases, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Another database in use, without tables."""
    known = {SOURCE: target_settings(databases.new("sqlite"))}
    settings = connections.configure_settings(known)[SOURCE]
    usual = connections[SOURCE]
    connections[SOURCE] = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, SOURCE)
    with django_db_blocker.unblock():
        yield
        connections[SOURCE].close()
    connections[SOURCE] = usual


@pytest.fixture(params=["sqlite", "postgres"])
def filled(
    request: pytest.FixtureRequest, databases: Databases, own_source: None, circle: list[Model]
) -> Iterator[list[list[Table]]]:
    """Tables of those models in the database in use, with rows, and in a target, without."""
    open_target(databases.new(request.param))
    state.create()
    for alias in (SOURCE, TARGET):
        with connections[alias].schema_editor() as editor:
            for model in circle:
                editor.create_model(model)
    hen, egg, parent = circle
    with transaction.atomic():
        for number in range(1, 8):
            egg._base_manager.create(pk=number, hen_id=8 - number)
            hen._base_manager.create(pk=number, egg_id=8 - number)
            parent._base_manager.create(pk=number, child_id=number % 7 + 1)
    yield [[Table(model) for model in group] for group in load_order(circle)]
    connections[TARGET].close()
    del connections[TARGET], connections.databases[TARGET]


def test_a_circle_is_copied_whole(filled: list[list[Table]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK", 2)
    copy_rows(filled, lambda line: None)
    connections[TARGET].check_constraints()
    for table in (table for group in filled for table in group):
        assert list(table.rows_after(TARGET, None)) == list(table.rows_after(SOURCE, None))
        assert table.count(TARGET) == 7
