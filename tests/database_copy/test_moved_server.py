"""A real server is moved from SQLite to PostgreSQL: who used it before goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from generation.models import Job
from tests.database_copy.databases import Databases
from tests.databases import sqlite_url
from tests.factories import make_reference
from tests.functional.conftest import QUICK
from tests.functional.installation import Installation, installed

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


def manage(site: Installation, *words: str) -> tuple[int, str, str]:
    program = site.manage(*words)
    told, trouble = program.communicate()
    return program.returncode, told, trouble


def test_a_server_goes_on_from_its_new_database(
    databases: Databases, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    """Sessions, tokens, waiting jobs and files are there; pages from before load all of it. Pitfall 23."""
    data = tmp_path / "data"
    target = databases.new("postgres")
    old = sqlite_url(data / "db.sqlite3")
    with django_db_blocker.unblock(), installed(data, **QUICK, DATABASE_URL=old) as site:
        with site.database():
            person, machine = site.person(), site.machine()
            make_reference(person.user)
            done, waiting = person.submit(), person.submit(prompt="later")
            assert machine.finish()["job_id"] == done
            known = person.http.get("/api/v1/me").json()
            file = person.http.get(f"/api/v1/jobs/{done}").json()["images"][0]
            page = person.page("/")

        assert "A web process serves this database" in manage(site, "move_to", "--database-url", target)[2]
        site.web.stop()
        status, told, trouble = manage(site, "move_to", "--database-url", target)
        assert status == 0, told + trouble

        site.environment["DATABASE_URL"] = target
        site.connection = None
        site.start()
        with site.database():
            assert f'data-epoch="{known["epoch"]}"' in page
            assert f'data-epoch="{known["epoch"]}"' not in person.page("/")
            after = {"after": known["revision"], "epoch": known["epoch"]}
            assert person.http.get("/api/v1/changes", params=after).status_code == 410
            assert person.http.get(f"/api/v1/images/{file['id']}/file").status_code == 200
            new = person.submit(prompt="from the new database")
            assert [machine.finish()["job_id"] for _ in range(2)] == [waiting, new]
            assert Job.objects.filter(status="completed").count() == 3
            assert site.user().pk > person.user.pk
            site.tidy()
        status, told, trouble = manage(site, "check_consistency", "--skip-files")
        assert status == 0, told
