"""A real server for the journeys: started once, with a short lease."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.functional.installation import Installation, installed

QUICK = {"LEASE_SECONDS": "3", "HEARTBEAT_SECONDS": "1", "RETRY_BACKOFF_SECONDS": "0", "MAX_ATTEMPTS": "3"}


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
