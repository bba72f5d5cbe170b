from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from generation.core.clock import Now, from_now
from generation.models import Project


@pytest.fixture
def project(owner: User) -> Project:
    return Project.objects.create(owner=owner, name="Clock", folded_name="clock")


def test_a_stored_moment_equals_itself(project: Project) -> None:
    """SQLite compared '…05.123' with '…05.123000' as text, and found them different."""
    mine = Project.objects.filter(pk=project.pk)
    mine.update(created_at=Now())
    moment = mine.get().created_at
    assert mine.filter(created_at=moment).exists()
    assert not mine.filter(created_at__lt=moment).exists()
    assert mine.filter(created_at__lte=moment).exists()


def test_the_clock_agrees_with_ours(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(created_at=Now())
    project.refresh_from_db()
    assert abs(timezone.now() - project.created_at) < timedelta(seconds=5)


def test_a_moment_to_come_is_so_many_seconds_away(project: Project) -> None:
    mine = Project.objects.filter(pk=project.pk)
    mine.update(created_at=from_now(90))
    assert not mine.filter(created_at__lte=from_now(89)).exists()
    assert mine.filter(created_at__lte=from_now(95)).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite alone stores moments")
@pytest.mark.parametrize("moment", ["2026-01-01 00:00:00.000", "2026-01-01 00:00:00.040"])
def test_a_moment_is_written_as_django_writes_its_parameters(moment: str, project: Project) -> None:
    template, _ = Now().as_sqlite(None, connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + template.replace("%%", "%").replace("'NOW'", "?"), [moment])
        written = cursor.fetchone()[0]
    assert written == str(datetime.fromisoformat(moment))
