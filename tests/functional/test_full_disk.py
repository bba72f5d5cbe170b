"""The disk fills up in the middle of the work: a real one, of a few megabytes."""

from __future__ import annotations

import io
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image as Picture

from generation.models import Job
from tests.databases import sqlite_url
from tests.functional import ledger
from tests.functional.callers import Person
from tests.functional.disk import as_seen_by, filled, small_disk, why_not
from tests.functional.installation import Installation

PART_OF_A_FILE = 8192
TRIES = 50


@pytest.fixture(autouse=True)
def _only_where_one_can_be_mounted(tmp_path: Path) -> None:
    if reason := why_not(tmp_path):
        pytest.skip(f"no small disk can be mounted here: {reason}")


def served(server: Installation) -> Iterator[Installation]:
    server.start()
    yield server
    server.tidy()
    server.stop()


@pytest.fixture
def little_room(live: Installation) -> Iterator[Installation]:
    """A web server whose media folder is a disk of 6 MB; its database lies elsewhere."""
    server = live.beside()
    server.wrapper = small_disk(live.data / "media", "6m")
    (live.data / "media").mkdir(exist_ok=True)
    yield from served(server)


@pytest.fixture
def little_room_for_bodies(live: Installation) -> Iterator[Installation]:
    """A web server with a disk of 2 MB for bodies on their way."""
    server = live.beside()
    server.wrapper = small_disk(live.data / "tmp", "2m")
    (live.data / "tmp").mkdir(exist_ok=True)
    yield from served(server)


def files_in(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found} - {"ballast"}


def asks_to_come_back(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and int(answer.headers["Retry-After"]) > 0


def test_what_cannot_be_stored_is_stored_when_there_is_room(little_room: Installation) -> None:
    """Pitfalls 10 and 14: the worker keeps what it made, nothing half-written stays, and people go on."""
    assert little_room.web
    media = as_seen_by(little_room.web, little_room.data / "media")
    person, machine = little_room.person(), little_room.machine()
    page = little_room.page(person)
    earlier = person.submit()
    machine.finish()
    kept = files_in(media)
    with filled(media, leaving=PART_OF_A_FILE):
        job = person.submit(quantity=3)
        worker = little_room.worker()
        little_room.web.wait_for("disk.full")
        assert files_in(media) == kept
        meanwhile = person.submit()
        held = machine.lease()
        assert held["job_id"] == meanwhile
        refused = put(machine.http, held)
        assert asks_to_come_back(refused)
        assert refused.json()["code"] == "disk_full"
        assert files_in(media) == kept
        [asset] = ledger.job(earlier).slots
        assert person.http.get(f"/api/v1/images/{asset.pk}/file").status_code == httpx.codes.OK
        assert (ledger.status(job), len(ledger.done(job))) == ("processing", 0)

    page.converges({earlier: 1, job: 3, meanwhile: 1})
    ledger.assert_whole(job, 3)
    ledger.assert_whole(meanwhile, 1)
    assert ledger.attempts(job) == [("reported", 3)], "the first attempt went on"
    assert worker.is_running
    slots = [asset for each in (earlier, job, meanwhile) for asset in ledger.job(each).slots]
    assert files_in(media) == {
        file.name for asset in slots for file in (asset.file, asset.thumbnail, asset.small_thumbnail)
    }


def test_a_reference_is_not_called_broken_for_want_of_room(little_room_for_bodies: Installation) -> None:
    """A decoding process that could not write its picture died, and the next one too."""
    assert little_room_for_bodies.web
    folder = as_seen_by(little_room_for_bodies.web, little_room_for_bodies.data / "tmp")
    person = little_room_for_bodies.person()
    person.page("/")
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"], "Content-Type": "image/jpeg"}
    content = io.BytesIO()
    Picture.effect_noise((1000, 1000), 80).save(content, "JPEG", quality=1)
    with filled(folder, leaving=content.tell() + PART_OF_A_FILE):
        refused = person.http.put("/api/v1/references", content=content.getvalue(), headers=headers)
    assert asks_to_come_back(refused), refused.text
    assert refused.json()["code"] == "disk_full"
    kept = person.http.put("/api/v1/references", content=content.getvalue(), headers=headers)
    assert kept.status_code == httpx.codes.CREATED


def put(http: httpx.Client, job: dict[str, Any]) -> httpx.Response:
    """Upload more than there is room for."""
    headers = {"X-Lease-Token": job["lease_token"], "Content-Type": "image/png"}
    content = io.BytesIO()
    Picture.effect_noise((256, 256), 80).save(content, "PNG")
    assert content.tell() > PART_OF_A_FILE
    return http.put(f"jobs/{job['job_id']}/uploads/0", content=content.getvalue(), headers=headers)


@pytest.fixture
def little_database(live: Installation) -> Iterator[Installation]:
    """A web server whose SQLite database lies on a disk of 4 MB; its media lie elsewhere. It is empty yet."""
    if "DATABASE_URL" in live.environment:
        pytest.skip("PostgreSQL's own disk is not this server's")
    folder = live.data / "little"
    folder.mkdir()
    server = live.beside(DATABASE_URL=sqlite_url(folder / "db.sqlite3"))
    server.wrapper = small_disk(folder, "4m")
    yield from served(server)
    shutil.rmtree(folder)


def copied(database: Path, folder: Path) -> None:
    """Its database as it is now, into the folder; by bytes, as SQLite finds no way into a mount namespace."""
    whole = database.with_name("copy.sqlite3")
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(whole)) as new:
        old.backup(new)
    shutil.move(whole, folder / "db.sqlite3")


def ask_to_submit(person: Person) -> httpx.Response:
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"]}
    body = {"job_type": "sdxl_image_fast", "prompt": "a lighthouse", "quantity": 6}
    return person.http.post("/api/v1/jobs", json=body, headers=headers)


def test_a_database_that_cannot_grow_says_so_and_forgets_nothing(
    live: Installation, little_database: Installation
) -> None:
    """Pitfall 5: what was answered is there, what was refused is not, and not half of it."""
    assert little_database.web
    disk = as_seen_by(little_database.web, live.data / "little")
    person, machine = little_database.person(), little_database.machine()
    copied(live.data / "db.sqlite3", disk)
    job = person.submit(quantity=3)
    held = machine.lease()
    machine.deliver(held, 0)
    page = little_database.page(person)
    with filled(disk):
        answers = [ask_to_submit(person)]
        while not asks_to_come_back(answers[-1]):
            assert answers[-1].status_code == httpx.codes.CREATED
            assert len(answers) < TRIES, "the disk does not fill up"
            answers.append(ask_to_submit(person))
        for path in ("/", "/library/", "/api/v1/jobs"):
            looked = person.http.get(path)
            assert looked.is_success or asks_to_come_back(looked), looked.text
        assert asks_to_come_back(machine.report(held, metadata={"note": "x" * 20_000}))

    accepted = {str(answer.json()["id"]) for answer in answers if answer.is_success}
    machine.deliver(held, 1, 2, status="completed")
    page.converges({job: 3})
    little_database.web.signal(signal.SIGSTOP)  # so that both files are of one moment
    for name in ("db.sqlite3", "db.sqlite3-wal"):
        if (disk / name).exists():
            shutil.copy(disk / name, live.data / "little")
    little_database.web.signal(signal.SIGCONT)
    with little_database.database():
        found = Job.objects.of(person.user.pk).values_list("pk", flat=True)
        assert {str(pk) for pk in found} == {job, *accepted}
        ledger.assert_whole(job, 3)
        assert all(len(ledger.job(each).slots) == 6 for each in accepted)
