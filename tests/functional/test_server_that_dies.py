"""The web server is killed with -9 while it takes a callback; the worker's own client tries again.

A page that was open all the time shows the results within 30 s, without a reload.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from generation.models import Attempt, Job
from ourvidz_worker.client import Server
from ourvidz_worker.protocol import parse_job
from tests.functional import ledger
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually

ROUNDS = 3


class Delivery(threading.Thread):
    """A callback on its way, by the worker's own client, which repeats it until there is an answer."""

    def __init__(self, live: Installation, machine: Machine, job: dict[str, Any], *assets: Any) -> None:
        super().__init__(daemon=True)
        self.server = Server(live.address, machine.token)
        self.job, self.assets = parse_job(job), list(assets)
        self.answer: dict[str, Any] = {}
        self.start()

    def run(self) -> None:
        callback = {"status": "processing", "assets": self.assets, "error_message": "", "metadata": {}}
        self.answer = dict(self.server.report(self.job, callback, halted=threading.Event()))

    def answered(self) -> dict[str, Any]:
        self.join(60)
        assert self.answer, "the worker gave up"
        self.server.close()
        return self.answer


@contextmanager
def held(rows: Any) -> Iterator[None]:
    """Keep these rows locked, so that a callback stops where it needs them."""
    with transaction.atomic():
        assert list(rows.select_for_update())
        yield


def callback_waits() -> bool:
    """PostgreSQL says when somebody waits for our lock; of SQLite's it is only known that all do."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("point", ["before it wrote", "before it committed"])
def test_a_callback_cut_off_leaves_nothing_and_is_repeated(live: Installation, point: str) -> None:
    """Pitfall 14. The first lock of a callback is the job's row, the last one the attempt's."""
    person = live.person()
    page = live.page(person)
    job_id = person.submit(quantity=3)
    machine = live.machine()
    job = machine.lease()
    asset = machine.delivered(job, 1)
    rows = (
        Job.objects.filter(pk=job_id)
        if point == "before it wrote"
        else Attempt.objects.filter(job__pk=job_id)
    )

    with held(rows):
        delivery = Delivery(live, machine, job, asset)
        delivery.join(0.5)
        eventually(callback_waits)
        assert not delivery.answer
        live.kill_server()
    assert ledger.done(job_id) == []
    live.start()

    assert delivery.answered()["accepted"] == [1]
    machine.deliver(job, 0, 2, status="completed")
    page.converges({job_id: 3})
    ledger.assert_whole(job_id, 3)
    assert ledger.attempts(job_id) == [("reported", 3)]


def test_a_lost_answer_is_asked_for_again(live: Installation) -> None:
    """Pitfalls 14 and 15: the callback was committed, its answer never arrived."""
    person = live.person()
    page = live.page(person)
    job_id = person.submit(quantity=3)
    machine = live.machine()
    job = machine.lease()
    asset = machine.delivered(job, 0)
    request = machine.http.build_request(
        "POST",
        "job-callback",
        json={"job_id": job_id, "lease_token": job["lease_token"], "status": "processing", "assets": [asset]},
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection(("127.0.0.1", live.port)) as wire:
        wire.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
        eventually(lambda: ledger.done(job_id))
        live.restart()
    first = ledger.done(job_id)[0]

    assert Delivery(live, machine, job, asset).answered()["duplicate"] == [0]

    again = ledger.done(job_id)[0]
    assert (again.completed_at, again.revision, again.file.name) == (
        first.completed_at,
        first.revision,
        first.file.name,
    )
    machine.deliver(job, 1, 2, status="completed")
    page.converges({job_id: 3})
    ledger.assert_whole(job_id, 3)
    assert ledger.attempts(job_id) == [("reported", 3)]


def test_killed_at_any_moment_a_result_is_there_once(
    live: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfall 15, where nobody chose the moment."""
    person = live.person()
    page = live.page(person)
    job_id = person.submit(quantity=6)
    machine = live.machine()
    job = machine.lease()
    machine.deliver(job, 0)  # the first one is slower
    began = time.monotonic()
    machine.report(job)
    usual_s = time.monotonic() - began
    cut_off = 0
    for slot in range(1, 1 + ROUNDS):
        delivery = Delivery(live, machine, job, machine.delivered(job, slot))
        delivery.join(random.uniform(0, 2 * usual_s))
        cut_off += delivery.is_alive()
        live.restart()
        answer = delivery.answered()
        assert answer["accepted"] + answer["duplicate"] == [slot]
        assert len(ledger.done(job_id)) == slot + 1
    machine.deliver(job, *range(1 + ROUNDS, 6), status="completed")

    page.converges({job_id: 6})
    ledger.assert_whole(job_id, 6)
    assert ledger.attempts(job_id) == [("reported", 6)]
    with capsys.disabled():
        print(f"\nserver killed {ROUNDS} times around a callback, {cut_off} times before its answer")
