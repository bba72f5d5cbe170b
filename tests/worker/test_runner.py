"""Whole jobs, from lease to last callback, over a real socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import pytest

from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import Engine, FinishedSlot, ReportProgress
from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.errors import MalformedLease
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.offers import Models
from ourvidz_worker.pool_guard import PoolGuard
from ourvidz_worker.protocol import Job, parse_job
from ourvidz_worker.runner import Runner, ShutDown
from ourvidz_worker.spool import Spool
from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.scripted import ScriptedEngine, finished


def breaking(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
    """Delivers one slot, then fails the way a driver does."""
    yield finished(job.slots[0])
    raise RuntimeError("out of memory")


@contextmanager
def working(
    server: ProtocolServer,
    engine: Engine,
    spool: Spool | None = None,
    health: WorkerHealth | None = None,
    patience: float = 600.0,
    guard: PoolGuard | None = None,
    models: Models | None = None,
) -> Iterator[Runner]:
    client = Server(server.url, TOKEN, patience)
    runner = Runner(client, engine, spool, health, guard, models)
    thread = Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        with suppress(ShutDown):
            runner.stop()
        thread.join(10)
        client.close()
    assert not thread.is_alive()


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def callbacks(server: ProtocolServer) -> list[Mapping[str, Any]]:
    return [request.json for request in server.seen("/job-callback")]


def ended(server: ProtocolServer) -> bool:
    return bool(callbacks(server)) and callbacks(server)[-1]["status"] != "processing"


def test_every_image_is_reported_as_soon_as_it_exists(server: ProtocolServer) -> None:
    """pitfall 4"""
    server.jobs.append(job_body(slots=3))
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    reports = callbacks(server)
    assert [each["status"] for each in reports] == ["processing", "processing", "completed"]
    assert [each["assets"][0]["image_index"] for each in reports] == [0, 1, 2]
    assert [each["assets"][0]["upload_id"] for each in reports] == ["u0", "u1", "u2"]
    assert reports[0]["assets"][0]["seed"] == 0
    assert all(upload.headers["x-lease-token"] == "lease-1" for upload in server.uploads())


def test_the_last_callback_says_how_the_job_was_made(server: ProtocolServer) -> None:
    server.jobs.append(job_body(enhance=True))
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    metadata = callbacks(server)[-1]["metadata"]
    assert metadata["engine"] == "sketch"
    assert set(metadata["seconds"]) == {"drawing", "uploading"}
    assert metadata["enhanced_prompt"].startswith("a lighthouse at sunset, ")


def test_a_plain_job_has_no_enhanced_prompt(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    assert "enhanced_prompt" not in callbacks(server)[-1]["metadata"]


def test_a_job_without_an_image_index_says_null(server: ProtocolServer) -> None:
    body = job_body()
    body["slots"][0]["image_index"] = None
    server.jobs.append(body)
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    assert callbacks(server)[-1]["assets"][0]["image_index"] is None


def test_what_an_engine_fails_to_make_is_reported_slot_by_slot(server: ProtocolServer) -> None:
    """pitfall 6"""
    server.jobs.append(job_body(slots=3))
    with working(server, ScriptedEngine(breaking)):
        wait_for(lambda: ended(server))
    assets = [each["assets"][0] for each in callbacks(server)]
    assert [asset["status"] for asset in assets] == ["completed", "failed", "failed"]
    assert assets[2]["error"]["code"] == "engine_error"
    assert callbacks(server)[-1]["status"] == "completed"


def test_a_job_of_which_nothing_could_be_made_fails(server: ProtocolServer) -> None:
    server.jobs.append(job_body(width=9000))
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    last = callbacks(server)[-1]
    assert last["status"] == "failed"
    assert last["assets"][0]["error"]["code"] == "unsupported_size"
    assert last["error_message"]


def with_reference() -> dict[str, Any]:
    address = "https://the.server/media/7/file"
    return job_body(slots=2) | {"references": [{"type": "composition", "strength": 0.5, "url": address}]}


def test_an_engine_gets_references_with_their_files(server: ProtocolServer) -> None:
    server.jobs.append(with_reference())
    server.script("GET /file", 200, "picture")
    engine = ScriptedEngine()
    with working(server, engine):
        wait_for(lambda: ended(server))
    (reference,) = engine.jobs[0].references
    assert (reference.type, reference.strength, reference.content) == ("composition", 0.5, b'"picture"')


def test_a_job_is_not_made_without_its_reference(server: ProtocolServer) -> None:
    """pitfall 19"""
    server.jobs.append(with_reference())
    server.script("GET /file", 404)
    engine = ScriptedEngine()
    with working(server, engine):
        wait_for(lambda: ended(server))
    assert not engine.jobs
    assets = [each["assets"][0] for each in callbacks(server)]
    assert [asset["error"]["code"] for asset in assets] == ["reference_missing"] * 2


def test_a_file_too_large_is_a_failed_slot(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    server.script("PUT /uploads/0", 413)
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))
    assert callbacks(server)[-1]["assets"][0]["error"]["code"] == "too_large"


def test_a_cancel_stops_the_drawing(server: ProtocolServer) -> None:
    server.jobs.append(job_body())
    server.action = "cancel"
    with working(server, SketchEngine(pace=30)):
        wait_for(lambda: len(server.seen("/lease")) > 1, seconds=3)
    assert not server.uploads()
    assert not callbacks(server)
    assert not server.seen("/release")


def test_a_lost_lease_stops_the_drawing(server: ProtocolServer) -> None:
    """pitfall 16"""
    server.jobs.append(job_body())
    server.script("POST /heartbeat", 409)
    with working(server, SketchEngine(pace=30)):
        wait_for(lambda: len(server.seen("/lease")) > 1, seconds=3)
    assert not callbacks(server)


def test_a_shutdown_gives_the_job_back(server: ProtocolServer) -> None:
    """pitfall 12"""
    server.jobs.append(job_body())
    with working(server, SketchEngine(pace=30)):
        wait_for(lambda: server.seen("/heartbeat"))
    assert server.seen("/jobs/job-1/release")[0].json == {"lease_token": "lease-1"}


def idle_worker(server: ProtocolServer) -> list[Mapping[str, Any]]:
    """The lease calls of one that ends as soon as there is no job for it."""
    client = Server(server.url, TOKEN, interruptible=True)
    Runner(client, SketchEngine(), exit_when_idle=0.0).run()
    client.close()
    return [request.json for request in server.seen("/lease")]


def test_a_worker_that_stops_offers_nothing_any_more(server: ProtocolServer) -> None:
    """Pages said for a minute that it would begin the next job."""
    asked, last = idle_worker(server)
    first = dict(asked)
    assert first.pop("models") == []
    assert len(first["pools"]) > 1
    assert last == {**first, "pools": ["none"]}
    assert last["interruptible"]


@pytest.mark.parametrize("status", [401, 403, 404, 422, 503])
def test_a_worker_stops_whatever_the_server_says_to_that(server: ProtocolServer, status: int) -> None:
    server.script("POST /lease", 204)
    server.script("POST /lease", status, {"title": "No"})
    assert len(idle_worker(server)) == 2


def test_a_lease_is_kept_while_a_worker_that_stops_still_delivers(server: ProtocolServer) -> None:
    """A film may take longer to send than a lease lasts."""
    server.jobs.append(job_body() | {"heartbeat_seconds": 1})
    server.upload_s = 3.0
    with working(server, SketchEngine()) as runner:
        wait_for(server.uploads)
        beats = len(server.seen("/heartbeat"))
        runner.stop()
        wait_for(lambda: ended(server))
        assert len(server.seen("/heartbeat")) >= beats + 2


def test_a_disabled_worker_waits_to_be_enabled(server: ProtocolServer) -> None:
    for _ in range(2):
        server.script("POST /lease", 403, {"code": "worker_disabled"})
    server.jobs.append(job_body())
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))


def test_a_worker_that_is_disabled_stops_drawing(server: ProtocolServer) -> None:
    server.jobs += [job_body(), job_body()]
    server.script("POST /heartbeat", 403, {"code": "worker_disabled"})
    engine = SketchEngine(pace=30)
    with working(server, engine):
        wait_for(lambda: len(server.seen("/lease")) > 1, seconds=3)
    assert not server.uploads()


def test_the_heartbeat_tells_real_progress(server: ProtocolServer) -> None:
    """pitfall 32"""
    server.jobs.append(job_body())
    with working(server, SketchEngine(pace=2.5)):
        wait_for(lambda: ended(server))
    beats = [request.json for request in server.seen("/heartbeat")]
    percents = [beat["progress"] for beat in beats]
    assert percents == sorted(percents)
    assert len(set(percents)) >= 4
    assert len(beats) <= 8
    assert {beat["stage"] for beat in beats} <= {"starting", "sketching", "encoding", "uploading"}


def test_a_worker_outlives_a_server_that_is_away(server: ProtocolServer) -> None:
    """pitfall 14"""
    server.script("POST /lease", 503)
    server.script("POST /lease", 502)
    server.script("POST /job-callback", 503)
    server.jobs.append(job_body())
    with working(server, SketchEngine()):
        wait_for(lambda: len(callbacks(server)) == 2)


def test_a_malformed_lease_does_not_end_the_worker(server: ProtocolServer) -> None:
    server.jobs += [{"job_id": "odd"}, job_body()]
    with working(server, SketchEngine()):
        wait_for(lambda: ended(server))


@pytest.mark.parametrize("passing", [404, 405, 301])
def test_a_proxy_whose_server_is_being_replaced_does_not_end_the_worker(
    server: ProtocolServer, passing: int
) -> None:
    """Once it was connected, the address is right."""
    with working(server, SketchEngine()):
        wait_for(lambda: server.seen("/lease"))
        server.script("POST /lease", passing)
        server.jobs.append(job_body())
        wait_for(lambda: ended(server))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slots", []),
        ("slots", job_body()["slots"] * 2),
        ("upload", ["max_bytes"]),
        ("upload", {"max_bytes": "much"}),
        ("attempt", float("inf")),
        ("job_id", "../../admin"),
        ("lease_token", "a\r\nHost: b"),
        ("references", [{"type": "style", "strength": 1, "url": "http://[/x"}]),
        ("references", [{"type": "style", "strength": 1, "url": "/a\x00b"}]),
        ("references", [{"type": "style", "strength": 1, "url": "file"}]),
    ],
)
def test_a_lease_of_nonsense_is_malformed(field: str, value: Any) -> None:
    with pytest.raises(MalformedLease):
        parse_job(job_body() | {field: value})


def wavering(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
    """Says that it has made less than it said before."""
    for share in (0.6, 0.3, 0.7):
        report_progress(share, f"at {share}")
        time.sleep(1.2)
    yield finished(job.slots[0])


def test_progress_never_goes_back(server: ProtocolServer) -> None:
    """pitfall 32"""
    server.jobs.append(job_body())
    with working(server, ScriptedEngine(wavering)):
        wait_for(lambda: ended(server))
    percents = {beat.json["stage"]: beat.json["progress"] for beat in server.seen("/heartbeat")}
    assert (percents["at 0.6"], percents["at 0.3"], percents["at 0.7"]) == (60, 60, 70)
