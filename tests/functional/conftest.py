"""A real server for the journeys: started once, with a short lease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.functional.installation import Installation, installed

HERE = Path(__file__).parent
LIMIT_S = 600  # on a machine that many share; a quiet one needs a tenth
QUICK = {"LEASE_SECONDS": "3", "HEARTBEAT_SECONDS": "1", "RETRY_BACKOFF_SECONDS": "0", "MAX_ATTEMPTS": "3"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("functional") / "data", **QUICK) as fresh:
        yield fresh


@pytest.fixture
def live(installation: Installation, django_db_blocker: DjangoDbBlocker) -> Iterator[Installation]:
    """The installation, its database at hand."""
    with django_db_blocker.unblock(), installation.database():
        yield installation
        installation.tidy()
