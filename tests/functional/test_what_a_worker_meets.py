"""The real worker against a real server: an outage, its own death, refusals, a cancel, signals, references.

What else it meets is elsewhere: `test_workers_that_fail` (409, SIGTERM), `test_full_disk` and
`test_postgres_that_dies` (503).
"""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

from generation.models import Preview, Worker
from ourvidz_worker.client import Server
from ourvidz_worker.errors import ServerRefused
from ourvidz_worker.protocol import Job, parse_job
from tests.factories import png
from tests.functional import ledger
from tests.functional.callers import Person
from tests.functional.installation import Installation
from tests.functional.programs import Program, eventually

pytestmark = pytest.mark.any_database

AWAY_S = float(os.environ.get("OUTAGE_SECONDS", "6"))  # two leases; docs/proofs.md has it at ten minutes
WORKER = [sys.executable, "-m", "ourvidz_worker", "run"]


def started(live: Installation, spool: Path, *flags: str, token: str = "") -> Program:
    """A real worker that keeps its results in `spool`, connected."""
    token = token or live.machine().token
    program = Program(
        [*WORKER, "--server", live.address, "--spool", str(spool), *flags],
        live.data / f"{spool.parent.name}-{len(live.programs)}.log",
        {**live.environment, "OURVIDZ_WORKER_TOKEN": token},
    )
    live.programs.append(program)
    program.wait_for("connected")
    return program


def kept(spool: Path) -> set[str]:
    """The SHA-256 of each result that is whole on disk."""
    files = [path.with_suffix(".bin") for path in spool.rglob("*.json")]
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def of_job(job: str) -> set[str]:
    return {asset.sha256 for asset in ledger.job(job).slots}


@contextmanager
def away(live: Installation, seconds: float = 0.0) -> Iterator[None]:
    """Without a server for what is done inside, and for so long at least."""
    live.kill_server()
    back = time.monotonic() + seconds
    try:
        yield
        time.sleep(max(0.0, back - time.monotonic()))
    finally:
        live.start()


@pytest.mark.timeout(600 + 2 * AWAY_S)
def test_results_outlive_an_outage(live: Installation, tmp_path: Path) -> None:
    """Pitfall 14. All three are made while the server is away, and all three arrive; none is made twice.

    Not even by a worker who asks for work the moment the server is back.
    """
    spool = tmp_path / "spool"
    worker = started(live, spool, "--pace", "0.5", "--patience", str(AWAY_S + 60))
    job = live.person().submit(quantity=3)
    worker.wait_for("job_leased")
    with away(live, AWAY_S):
        made = eventually(lambda: kept(spool) if len(kept(spool)) == 3 else set())
    assert live.machine().ask_for_work() is None
    eventually(lambda: ledger.status(job) == "completed")
    ledger.assert_whole(job, 3)
    assert of_job(job) == made
    assert ledger.attempts(job) == [("reported", 3)]
    eventually(lambda: not kept(spool))


def test_an_outage_beyond_its_patience_costs_no_result(live: Installation, tmp_path: Path) -> None:
    """It gives the job up, keeps what it made, and brings that first when the server is back."""
    spool = tmp_path / "spool"
    worker = started(live, spool, "--pace", "0.5", "--patience", "1")
    job = live.person().submit(quantity=3)
    worker.wait_for("job_leased")
    with away(live):
        assert worker.wait_for("job_ended")["ending"] == "undeliverable"
        made = kept(spool)
        assert made
    eventually(lambda: ledger.status(job) == "completed")
    ledger.assert_whole(job, 3)
    assert len(worker.events("spooled_result_delivered")) == len(made)
    assert made <= of_job(job)
    assert sum(brought for _, brought in ledger.attempts(job)[:1]) == len(made)


@pytest.mark.timeout(600 + 2 * AWAY_S)
def test_a_result_outlives_the_worker_that_made_it(live: Installation, tmp_path: Path) -> None:
    """Pitfall 14: killed while the server is away; the next start delivers what lies there."""
    spool = tmp_path / "spool"
    token = live.machine().token
    first = started(live, spool, "--pace", "0.5", token=token)
    job = live.person().submit(quantity=3)
    first.wait_for("job_leased")
    with away(live, AWAY_S):
        eventually(lambda: kept(spool))
        first.kill()
        made = kept(spool)
    second = started(live, spool, token=token)

    assert second.wait_for("spooled_result_delivered")["job_id"] == job
    eventually(lambda: ledger.status(job) == "completed")
    ledger.assert_whole(job, 3)
    assert made <= of_job(job)
    assert ledger.attempts(job) == [("released", len(made)), ("reported", 3 - len(made))]


def test_a_check_beside_a_worker_changes_nothing_of_it(live: Installation, tmp_path: Path) -> None:
    """What it offers and runs on stays known, although nothing is leased while it is at work."""
    token = live.machine().token
    worker = started(live, tmp_path / "spool", "--pace", "30", token=token)
    live.person().submit()
    worker.wait_for("job_leased")
    before = list(Worker.objects.order_by("pk").values_list("pools", "software", "device"))
    check = [sys.executable, "-m", "ourvidz_worker", "check", "--server", live.address]
    said = subprocess.run(
        [*check, "--spool", str(tmp_path / "other")],
        env={**live.environment, "OURVIDZ_WORKER_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "knows this worker" in said.stdout
    assert list(Worker.objects.order_by("pk").values_list("pools", "software", "device")) == before


def test_a_cancel_stops_it_within_a_heartbeat(live: Installation, tmp_path: Path) -> None:
    worker = started(live, tmp_path / "spool", "--pace", "30")
    person = live.person()
    job = person.submit()
    worker.wait_for("job_leased")
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"]}
    answer = person.http.post(f"/api/v1/jobs/{job}/cancel", headers=headers)
    assert answer.is_success
    began = time.monotonic()
    assert worker.wait_for("job_ended")["ending"] == "cancelled"
    assert time.monotonic() - began < 5
    later = person.submit()
    assert worker.wait_for("job_leased", times=2)["job_id"] == later


def test_a_disabled_worker_drops_its_job_and_is_back_when_enabled(live: Installation, tmp_path: Path) -> None:
    worker = started(live, tmp_path / "spool", "--pace", "2")
    person = live.person()
    job = person.submit()
    worker.wait_for("job_leased")
    Worker.objects.update(enabled=False)
    assert worker.wait_for("job_ended")["ending"] == "disabled"
    assert "disabled" in worker.wait_for("lease_failed")["reason"]
    Worker.objects.update(enabled=True)
    eventually(lambda: ledger.status(job) == "completed")
    ledger.assert_whole(job, 1)
    assert worker.stop() == 0


def test_a_second_signal_ends_it_at_once(live: Installation, tmp_path: Path) -> None:
    """The first one gives the job back; a server that does not answer would make that take long."""
    worker = started(live, tmp_path / "spool", "--pace", "30")
    live.person().submit()
    worker.wait_for("job_leased")
    assert live.web is not None
    live.web.signal(signal.SIGSTOP)
    try:
        worker.signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.process.wait(0.7)
        worker.signal(signal.SIGTERM)
        assert worker.process.wait(3) == -signal.SIGTERM
    finally:
        live.web.signal(signal.SIGCONT)


def test_a_result_that_the_server_finds_too_large_fails_and_is_said(
    live: Installation, tmp_path: Path
) -> None:
    strict = live.beside(MAX_UPLOAD_BYTES="20000")
    strict.start()
    try:
        worker = started(strict, tmp_path / "spool")
        job = live.person().submit()
        eventually(lambda: ledger.status(job) == "failed")
        (asset,) = ledger.job(job).slots
        assert asset.error_code == "too_large"
        assert worker.stop() == 0
    finally:
        strict.stop()


@contextmanager
def refused_at_once(live: Installation, status: int) -> Iterator[tuple[Server, Job]]:
    """What the worker's own client sends inside is refused with this status, and not sent again."""
    live.person().submit()
    machine = live.machine()
    client = Server(live.address, machine.token, patience=60)
    job = parse_job(machine.lease())
    began = time.monotonic()
    with pytest.raises(ServerRefused) as refused:
        yield client, job
    assert refused.value.status == status
    assert time.monotonic() - began < 10
    client.close()


def test_a_file_over_the_limit_is_not_sent_again(live: Installation) -> None:
    with refused_at_once(live, 413) as (client, job):
        client.upload(job, 0, bytes((job.max_upload_bytes or 0) + 1), "image/png", halted=Event())


def test_a_report_of_nonsense_is_not_sent_again(live: Installation) -> None:
    with refused_at_once(live, 422) as (client, job):
        client.report(job, {"status": "nonsense", "assets": []}, halted=Event())


def uploaded(person: Person, shade: int) -> str:
    """The id of a reference image."""
    person.page("/")
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"], "Content-Type": "image/png"}
    answer = person.http.put("/api/v1/references", content=png(shade=shade), headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize(
    ("job_type", "types"),
    [("sdxl_image_fast", ["style", "composition"]), ("video_fast", ["start_frame", "end_frame"])],
)
def test_it_uses_references(live: Installation, tmp_path: Path, job_type: str, types: list[str]) -> None:
    """Pitfall 19: both sides spell the pools alike, and the files come through."""
    started(live, tmp_path / "spool")
    person = live.person()
    given = [
        {"type": kind, "strength": 0.8, "reference": uploaded(person, 60 * number)}
        for number, kind in enumerate(types)
    ]
    job = person.submit(job_type, references=given)
    eventually(lambda: ledger.status(job) == "completed", seconds=120)
    ledger.assert_whole(job, 1)


def test_a_slot_is_seen_while_it_is_made(live: Installation, tmp_path: Path) -> None:
    started(live, tmp_path / "spool", "--pace", "6")
    job = live.person().submit()
    preview: Any = eventually(Preview.objects.filter(job__pk=job).first)
    with Image.open(io.BytesIO(bytes(preview.picture))) as picture:
        assert max(picture.size) <= 512
    assert preview.slot == 0
    eventually(lambda: ledger.job(job).current_slot == 0)
