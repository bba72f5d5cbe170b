from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections
from pytest_django import DjangoCaptureOnCommitCallbacks

from generation.maintenance import small_thumbnails, unknown_sound
from generation.models import Worker
from tests.factories import make_user, make_worker

LogOf = Callable[[Callable[[], object]], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def _only_where_it_can_run(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("postgres") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: name one in DATABASE_URL")


@pytest.fixture(autouse=True)
def _as_a_new_process() -> None:
    """Chores know where their next round goes on; what the last test passed over is gone."""
    small_thumbnails.results.start_over()
    unknown_sound.videos.start_over()


@pytest.fixture
def owner(db: None) -> User:
    return make_user()


@pytest.fixture
def worker(db: None) -> Worker:
    return make_worker()


@pytest.fixture
async def _no_connection_left(transactional_db: None) -> AsyncIterator[None]:
    """The thread that async code borrows keeps its connection, which would keep the test database."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def log_of(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> LogOf:
    """The structured lines that a call writes once it has committed."""

    def record(call: Callable[[], object]) -> list[dict[str, object]]:
        caplog.clear()
        with django_capture_on_commit_callbacks(execute=True):
            call()
        return [line.msg for line in caplog.records if isinstance(line.msg, dict)]

    return record
