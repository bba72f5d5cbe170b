"""A machine that makes itself a worker, as real processes."""

from __future__ import annotations

import json
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.protocol_server import TOKEN, ProtocolServer, Request, job_body
from tests.worker.test_cli import command, environment

ENROLMENT = "ove_shared"


def minted(token: str = TOKEN, seconds: float = 3600) -> dict[str, Any]:
    return {"worker": "w", "name": "rented 1", "token": token, "expires_at": "", "expires_in_s": seconds}


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


class Fleet:
    """The processes of one machine: their state is in one folder."""

    def __init__(self, server: ProtocolServer, state: Path) -> None:
        self.server, self.state = server, state
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *flags: str, **more: str) -> subprocess.Popen[str]:
        variables = {"OURVIDZ_ENROLMENT_TOKEN": ENROLMENT, "XDG_STATE_HOME": str(self.state)} | more
        process = subprocess.Popen(
            command("run", "--server", self.server.url, *flags),
            env=environment(**variables),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def runs_until_idle(self, *flags: str) -> list[dict[str, Any]]:
        """The log of a process that exits by itself."""
        process = self.start("--exit-when-idle", "0", *flags)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
        return [json.loads(line) for line in log.splitlines()]

    def files(self) -> list[Path]:
        return sorted((self.state / "ourvidz-worker" / "enrolled").glob("*.json"))


@pytest.fixture
def fleet(server: ProtocolServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(server, tmp_path / "state")
    yield fleet
    for process in fleet.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def bearer(request: Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


def machines(server: ProtocolServer) -> list[str]:
    return [request.json["machine"] for request in server.seen("/enrol")]


def test_a_machine_enrols_once_and_works_with_what_it_was_given(server: ProtocolServer, fleet: Fleet) -> None:
    server.script("POST /enrol", 200, minted())
    server.jobs.append(job_body())
    log = fleet.runs_until_idle()
    (asked,) = server.seen("/enrol")
    assert bearer(asked) == ENROLMENT
    assert {bearer(request) for request in server.requests if request is not asked} == {TOKEN}
    assert [line["ending"] for line in log if line["event"] == "job_ended"] == ["completed"]
    assert not any(TOKEN in str(line) or ENROLMENT in str(line) for line in log)
    (file,) = fleet.files()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ENROLMENT not in file.read_text()
    fleet.runs_until_idle()
    assert len(server.seen("/enrol")) == 1


def test_a_token_that_is_not_taken_any_more_is_replaced(server: ProtocolServer, fleet: Fleet) -> None:
    """As the same machine, so that it uses up nothing."""
    server.script("POST /enrol", 200, minted("ovw_old"))
    server.token = "ovw_old"
    fleet.runs_until_idle()
    server.token = TOKEN
    server.script("POST /enrol", 200, minted())
    fleet.runs_until_idle()
    first, second = machines(server)
    assert first == second


def test_a_token_that_cannot_be_kept_is_used_all_the_same(server: ProtocolServer, fleet: Fleet) -> None:
    server.script("POST /enrol", 200, minted())
    fleet.runs_until_idle()
    (file,) = fleet.files()
    file.write_text(json.dumps({"machine": machines(server)[0]}))
    file.with_suffix(".new").mkdir()
    server.script("POST /enrol", 200, minted())
    log = fleet.runs_until_idle()
    assert [line["reason"] for line in log if line["event"] == "token_not_kept"] == ["Is a directory"]
    first, second = machines(server)
    assert first == second


def test_what_was_asked_twice_is_asked_as_the_same_machine(server: ProtocolServer, fleet: Fleet) -> None:
    """The first answer was lost; an unusable file is replaced by another machine's."""
    server.script("POST /enrol", 503, None, Retry_After="0")
    server.script("POST /enrol", 200, minted())
    log = fleet.runs_until_idle()
    first, second = machines(server)
    assert first == second
    assert [line["event"] for line in log].count("enrolment_delayed") == 1


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (401, "", "the server refused this enrolment token"),
        (403, "enrolment_ended", "this machine cannot enrol"),
        (403, "worker_disabled", "this machine cannot enrol"),
        (404, "", "this machine cannot enrol"),
    ],
)
def test_a_refusal_is_one_sentence_and_not_tried_again(
    server: ProtocolServer, fleet: Fleet, status: int, code: str, sentence: str
) -> None:
    server.script("POST /enrol", status, {"code": code, "detail": "No machine can enrol."})
    process = fleet.start()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 2
    assert sentence in log.splitlines()[-1]


def test_two_processes_of_a_machine_are_two_workers(server: ProtocolServer, fleet: Fleet) -> None:
    server.script("POST /enrol", 200, minted())
    server.script("POST /enrol", 200, minted())
    server.hold_s = 5
    fleet.start()
    eventually(lambda: server.seen("/lease"))
    fleet.start()
    eventually(lambda: len(server.seen("/enrol")) == 2)
    first, second = machines(server)
    assert first != second
    assert len(fleet.files()) == 2


def test_a_token_is_renewed_before_its_end_and_used_from_then_on(
    server: ProtocolServer, fleet: Fleet
) -> None:
    """Also in the middle of a job; a renewal that the server cannot give now is asked for again."""
    server.script("POST /enrol", 200, minted(seconds=4))
    server.script("POST /token", 503)
    server.script("POST /token", 200, minted("ovw_second"))
    process = fleet.start()
    eventually(lambda: server.seen("/lease"))
    eventually(lambda: len(server.seen("/token")) == 2)
    server.token = "ovw_second"
    eventually(lambda: any(bearer(each) == "ovw_second" for each in server.seen("/lease")))
    assert process.poll() is None
    (file,) = fleet.files()
    eventually(lambda: json.loads(file.read_text())["token"] == "ovw_second")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_enrolled_for_is_worth_another_start(server: ProtocolServer, fleet: Fleet) -> None:
    """A machine that slept past its token's end: the next start enrols again, so systemd must make one."""
    server.script("POST /enrol", 200, minted())
    process = fleet.start()
    eventually(lambda: server.seen("/lease"))
    server.token = "another"
    _, log = process.communicate(timeout=60)
    assert (process.returncode, "refused this worker's token" in log) == (1, True)


def test_one_token_is_enough(server: ProtocolServer) -> None:
    done = subprocess.run(
        command("run", "--server", server.url, "--token", TOKEN, "--enrolment-token", ENROLMENT),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "are both given: leave one out" in done.stderr) == (2, True)
    assert ENROLMENT not in done.stderr


def test_a_folder_that_cannot_be_written_is_named(server: ProtocolServer, fleet: Fleet) -> None:
    fleet.state.write_text("a file where a folder should be")
    process = fleet.start()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "this machine's token cannot be kept" in log.splitlines()[-1]
    assert not server.requests
