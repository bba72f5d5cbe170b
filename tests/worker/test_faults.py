"""Faults that must not waste a worker's GPU, its queue or its results over months."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ourvidz_worker.client import Server, backoff
from ourvidz_worker.engines.base import FinishedSlot, ReportProgress
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.errors import EngineBroken, Halted, ServerRefused, ServerUnavailable, TokenRefused
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.log import describe_error
from ourvidz_worker.protocol import AssetError, Job, Offer, parse_job
from ourvidz_worker.runner import MAX_ENGINE_FAILURES, Runner, ShutDown
from ourvidz_worker.spool import Spool
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.scripted import ScriptedEngine, finished
from tests.worker.test_runner import callbacks, ended, wait_for, with_reference, working

PROMPT = "a secret garden"


def poisoned(job: Job, report_progress: ReportProgress) -> None:
    raise RuntimeError(f"CUDA error: an illegal memory access over {job.prompt}\nmore of it")


def jobs(count: int, **parameters: Any) -> list[dict[str, Any]]:
    return [job_body(**parameters) | {"job_id": f"job-{number}"} for number in range(count)]


def events(text: str, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def test_an_engine_that_only_fails_ends_the_process(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfall 46: a spoilt GPU fails every job in milliseconds, and never recovers by itself."""
    server.jobs += jobs(20, prompt=PROMPT)
    engine, client = ScriptedEngine(poisoned), Server(server.url, TOKEN)
    with pytest.raises(EngineBroken, match=r"3 jobs in a row.*CUDA error: an illegal memory access"):
        Runner(client, engine).run()
    client.close()
    assert len(server.jobs) == 20 - MAX_ENGINE_FAILURES
    assert engine.loads == MAX_ENGINE_FAILURES  # anew after each but the last
    failures = events(capsys.readouterr().err, "engine_failed")
    assert [each["error"] for each in failures] == ["RuntimeError"] * MAX_ENGINE_FAILURES
    assert failures[0]["message"] == "CUDA error: an illegal memory access over …"
    assert failures[0]["where"].startswith("test_faults.py:")
    assert all(datetime.fromisoformat(each["at"]).tzinfo for each in failures), "when, not where"


def test_an_engine_that_cannot_even_be_unloaded_ends_the_process(server: ProtocolServer) -> None:
    class Spoilt(ScriptedEngine):
        def unload(self) -> None:
            raise RuntimeError("CUDA error: an illegal memory access")

    server.jobs += jobs(5)
    client = Server(server.url, TOKEN)
    with pytest.raises(EngineBroken, match="cannot be unloaded"):
        Runner(client, Spoilt(poisoned)).run()
    client.close()
    assert len(server.jobs) == 4


def test_faults_between_jobs_that_succeed_end_nothing(server: ProtocolServer) -> None:
    server.jobs += jobs(6)
    engine = ScriptedEngine(lambda job, report: poisoned(job, report) if int(job.id[-1]) % 2 else None)
    with working(server, engine):
        wait_for(lambda: len(callbacks(server)) == 6)
    assert [each["status"] for each in callbacks(server)] == ["completed", "failed"] * 3


def test_advice_for_the_operator_is_logged_and_not_sent(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Users read "--offload model needs less", and could do nothing about it."""

    def without_memory(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        advice = "--offload model needs less."
        yield FinishedSlot(job.slots[0], AssetError("out_of_memory", "Too little.", True, advice))

    server.jobs.append(job_body())
    with working(server, ScriptedEngine(without_memory)):
        wait_for(lambda: ended(server))
    (callback,) = server.seen("/job-callback")
    assert callback.json["assets"][0]["error"]["message"] == callback.json["error_message"] == "Too little."
    assert b"--offload" not in callback.body
    (failure,) = events(capsys.readouterr().err, "slot_failed")
    assert failure["reason"] == "Too little. --offload model needs less."


def test_a_failed_slot_is_logged_with_code_and_reason(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.jobs += [job_body(width=9000), job_body() | {"job_id": "job-2"}]
    rejection = {"image_index": 0, "code": "broken_media", "message": "It has no end."}
    server.script("POST /job-callback", 200, {"rejected": []})
    server.script("POST /job-callback", 200, {"rejected": [rejection]})
    with working(server, SketchEngine()):
        wait_for(lambda: len(callbacks(server)) == 2)
        wait_for(lambda: len(server.seen("/lease")) >= 3)
    logged = capsys.readouterr().err
    (failure,), (refusal,) = events(logged, "slot_failed"), events(logged, "asset_rejected")
    assert (failure["job_id"], failure["slot"], failure["code"]) == ("job-1", 0, "unsupported_size")
    assert "px a side" in failure["reason"]
    assert (refusal["code"], refusal["reason"]) == ("broken_media", "It has no end.")


def test_a_refused_upload_fails_its_slot(server: ProtocolServer) -> None:
    """Given back instead, which costs no attempt, the job came again at once and for ever."""
    server.jobs.append(job_body(slots=2))
    server.script("PUT /uploads/0", 403, {"detail": "by the firewall"})
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    refused, made = [each["assets"][0] for each in callbacks(server)]
    assert (refused["error"]["code"], refused["error"]["retryable"]) == ("refused", True)
    assert made["status"] == "completed"
    assert not server.seen("/release")


def test_a_refused_callback_gives_nothing_back(server: ProtocolServer, tmp_path: Path) -> None:
    server.jobs += jobs(3)
    for _ in range(3):
        server.script("POST /job-callback", 403)
    spool = Spool(tmp_path, server.url, TOKEN)
    began = time.monotonic()
    with working(server, SketchEngine(), spool):
        wait_for(lambda: len(callbacks(server)) == 3)
    spool.close()
    assert time.monotonic() - began > 0.25 + 0.5  # it waits longer after each
    assert not server.seen("/release")
    assert not list(tmp_path.rglob("*.bin"))


def test_a_result_that_the_server_fails_over_gives_nothing_back(
    server: ProtocolServer, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, server.url, TOKEN)
    asset = {"image_index": 0, "status": "completed", "upload_id": "", "seed": 7}
    spool.keep(parse_job(job_body()), 0, "image/png", asset, b"a picture")
    server.script("POST /job-callback", 422)
    with working(server, SketchEngine(), spool):
        wait_for(lambda: server.seen("/lease"))
    spool.close()
    assert not server.seen("/release")
    assert not list(tmp_path.rglob("*.bin"))


def test_a_job_whose_reference_cannot_be_fetched_is_given_back(server: ProtocolServer) -> None:
    """It waited for its lease to end instead, which costs an attempt."""
    server.jobs.append(with_reference())
    for _ in range(50):
        server.script("GET /file", 503)
    with working(server, SketchEngine(), patience=0.2):
        wait_for(lambda: server.seen("/release"))
    assert not callbacks(server)


@pytest.mark.parametrize("rejected", [None, ["x"], 5, [{"code": None}]])
def test_an_answer_of_nonsense_does_not_end_the_worker(server: ProtocolServer, rejected: object) -> None:
    server.jobs += jobs(2)
    server.script("POST /job-callback", 200, {"rejected": rejected})
    with working(server, SketchEngine()):
        wait_for(lambda: len(callbacks(server)) == 2)


def test_a_job_of_which_nothing_was_taken_did_not_complete(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.jobs.append(job_body())
    server.script("POST /job-callback", 200, {"rejected": [{"image_index": 0, "code": "unknown_index"}]})
    stderr = ""
    with working(server, SketchEngine()):
        while not events(stderr, "job_ended"):
            stderr += capsys.readouterr().err
            time.sleep(0.02)
    assert events(stderr, "job_ended")[0]["ending"] == "failed"


def test_a_revoked_token_takes_no_results_away(server: ProtocolServer, tmp_path: Path) -> None:
    server.jobs.append(job_body(slots=2) | {"heartbeat_seconds": 1})
    for _ in range(9):
        server.script("PUT /uploads/0", 503)

    def revoked(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        yield finished(job.slots[0])
        server.token = "another"
        time.sleep(2.5)  # until a heartbeat was refused
        raise Halted

    spool, client = Spool(tmp_path, server.url, TOKEN), Server(server.url, TOKEN)
    with pytest.raises(TokenRefused):
        Runner(client, ScriptedEngine(revoked), spool).run()
    client.close()
    spool.close()
    assert list(tmp_path.rglob("*.bin"))


def test_a_signal_ends_a_load(server: ProtocolServer) -> None:
    """Fourteen billion weights take minutes to load, and nothing is held meanwhile."""

    class Slow(SketchEngine):
        def load(self) -> None:
            with pytest.raises(ShutDown):
                runner.stop()
            raise ShutDown

    client = Server(server.url, TOKEN)
    runner = Runner(client, Slow())
    runner.run()
    client.close()
    assert not server.seen("/lease")


def test_a_signal_while_a_lease_arrives_gives_the_job_back(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    server.lease_s = 1.0
    with working(server, SketchEngine(pace=30)) as runner:
        wait_for(lambda: server.seen("/lease"))
        time.sleep(0.3)
        runner.stop()  # raises nothing into an answer
        wait_for(lambda: server.seen("/release"))
    assert not callbacks(server)


HANGING = """
import sys, time
from ourvidz_worker.client import Server
from ourvidz_worker.runner import Runner
from ourvidz_worker.health import WorkerHealth
from tests.worker.scripted import ScriptedEngine
engine = ScriptedEngine(lambda *_: time.sleep(60))
Runner(Server(*sys.argv[1:]), engine, health=WorkerHealth(stuck_after_s=1.5)).run()
"""


@pytest.mark.parametrize("action", ["continue", "cancel"])
def test_an_engine_that_hangs_loses_its_lease_and_ends_the_process(
    server: ProtocolServer, action: str
) -> None:
    """pitfall 18: its heartbeat renewed the lease for ever."""
    server.action = action
    server.jobs.append(job_body() | {"heartbeat_seconds": 1})
    command = [sys.executable, "-c", HANGING, server.url, TOKEN]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert events(done.stderr, "engine_stuck")
    assert server.seen("/heartbeat")
    assert not server.seen("/release")


def test_waiting_for_a_server_is_not_being_stuck(server: ProtocolServer) -> None:
    health = WorkerHealth(stuck_after_s=1.0)
    server.jobs.append(job_body())
    server.upload_s = 2.5
    was_stuck = []
    with working(server, ScriptedEngine(lambda job, _: iter([finished(job.slots[0])])), health=health):
        while not ended(server):
            was_stuck.append(health.is_stuck())
            time.sleep(0.05)
    assert not any(was_stuck)


def test_an_outage_during_a_job_shows_in_the_health(server: ProtocolServer) -> None:
    health = WorkerHealth()
    server.jobs.append(job_body())
    server.script("PUT /uploads/0", 503, Retry_After="1")
    for _ in range(9):
        server.script("POST /heartbeat", 503)
    with working(server, SketchEngine(), health=health):
        wait_for(lambda: server.uploads() and not health.snapshot()[1]["connected"])
        wait_for(lambda: health.snapshot()[1]["connected"])


def test_a_conflict_over_a_lease_is_a_refusal(server: ProtocolServer) -> None:
    """It ended the worker, and `check`, with a traceback."""
    client = Server(server.url, TOKEN)
    server.script("POST /lease", 409)
    with pytest.raises(ServerRefused):
        client.lease(Offer(("sdxl",), ("sdxl_image_fast",), "sketch", "0", "cpu"), 0.0)
    client.close()
    server.script("POST /lease", 204)
    server.script("POST /lease", 409)
    with working(server, SketchEngine()):
        wait_for(lambda: len(server.seen("/lease")) >= 4)


def test_what_a_newer_server_hands_out_is_given_back(server: ProtocolServer) -> None:
    server.jobs.append({"job_id": "job-9", "lease_token": "lease-9", "slots": "of another kind"})
    with working(server, SketchEngine()):
        wait_for(lambda: server.seen("/jobs/job-9/release"))
    assert server.seen("/release")[0].json == {"lease_token": "lease-9"}


def test_no_patience_is_no_haste() -> None:
    """A dead server was asked tens of thousands of times within ten seconds."""
    client, asked = Server("http://127.0.0.1:9", TOKEN, patience=0.0), []
    client.on_contact = lambda *, connected: asked.append(connected)
    with pytest.raises(ServerUnavailable):
        client.heartbeat(parse_job(job_body() | {"heartbeat_seconds": 2}), 0, "starting", halted=Event())
    client.close()
    assert 2 <= len(asked) <= 10


def test_waits_grow_and_differ() -> None:
    waits = [[backoff(attempt) for _ in range(50)] for attempt in range(12)]
    assert all(len(set(each)) > 40 for each in waits), "else all workers come back at once"
    assert all(0.25 * 2**n <= min(each) <= max(each) <= 0.5 * 2**n for n, each in enumerate(waits[:6]))
    assert max(map(max, waits)) <= 30.0


class TellingEngine(SketchEngine):
    """Cannot say how it made the first job."""

    jobs = 0

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        self.jobs += 1
        if self.jobs == 1:
            raise RuntimeError("no such job")
        return {}


def test_an_unexpected_error_ends_the_job_and_not_the_worker(server: ProtocolServer) -> None:
    server.jobs += [job_body(), job_body()]
    with working(server, TellingEngine()):
        wait_for(lambda: ended(server))
    assert not server.seen("/release")


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("bad prompt: my garden\nby night", "bad prompt: …"),
        ("got ['my garden\\nby night']", "got ['…']"),
        ("it ends: by night", "it ends: …"),
        ("a short word is no secret", "a short word is no secret"),
    ],
)
def test_an_error_is_logged_without_the_prompt(message: str, logged: str) -> None:
    assert describe_error(ValueError(message), "my garden\nby night", "a")["message"] == logged


def test_a_server_that_is_busy_is_there(server: ProtocolServer) -> None:
    client, on_contact = Server(server.url, TOKEN), []
    client.on_contact = lambda *, connected: on_contact.append(connected)
    for status in (429, 503):
        server.script("POST /lease", status)
        with pytest.raises(ServerUnavailable):
            client.lease(Offer(("sdxl",), ("sdxl_image_fast",), "sketch", "0", "cpu"), 0.0)
    client.close()
    assert on_contact == [True, False]


def test_after_a_stop_it_starts_no_long_poll(server: ProtocolServer, tmp_path: Path) -> None:
    """Of a moment in which nobody can break in: while it gives a job back, say."""
    client = Server(server.url, TOKEN)
    runner = Runner(client, ScriptedEngine())
    runner.stop()
    runner.run()
    client.close()
    assert not server.requests
