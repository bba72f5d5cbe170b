"""What a watcher is told."""

from __future__ import annotations

import socket
import struct
import time

import httpx
import pytest

from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.health import PortTaken, Vitals, health_server
from tests.worker.protocol_server import ProtocolServer, job_body
from tests.worker.test_runner import ended, wait_for, working


def test_a_busy_worker_is_well_and_a_stuck_one_is_not() -> None:
    """pitfall 18"""
    vitals = Vitals(stuck_after_s=1e-9)
    vitals.turn_to("idle")
    assert vitals.health()[0], "an idle one has nothing to move"
    vitals.turn_to("working")
    well, facts = vitals.health()
    assert (well, facts["status"]) == (False, "stuck")
    patient = Vitals()
    patient.turn_to("working")
    assert patient.health()[1]["status"] == "working"


def test_the_same_news_again_is_no_progress() -> None:
    vitals = Vitals()
    vitals.turn_to("working")
    vitals.progressed((0.5, "generating"))
    moved = vitals._moved
    vitals.progressed((0.5, "generating"))
    assert vitals._moved == moved
    vitals.progressed((0.6, "generating"))
    assert vitals._moved > moved


def test_jobs_are_counted_by_how_they_ended(server: ProtocolServer) -> None:
    server.jobs += [job_body(), job_body(width=9000)]
    vitals = Vitals()
    with health_server("127.0.0.1", 0, vitals) as port, working(server, SketchEngine(), vitals=vitals):
        wait_for(lambda: len(server.seen("/job-callback")) == 2 and ended(server))
        wait_for(lambda: 'ending="failed"' in vitals.metrics())
        health = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 404
    assert (health.status_code, health.json()["status"], health.json()["connected"]) == (200, "idle", True)
    assert 'ourvidz_worker_jobs_total{ending="completed"} 1\n' in metrics
    assert 'ourvidz_worker_jobs_total{ending="failed"} 1\n' in metrics
    assert "ourvidz_worker_healthy 1\n" in metrics


def test_it_is_told_over_ipv6_too() -> None:
    try:
        with health_server("::1", 0, Vitals()) as port:
            assert httpx.get(f"http://[::1]:{port}/health", trust_env=False).json()["status"] == "loading"
    except PortTaken as none:
        pytest.skip(f"no IPv6 here: {none}")


def test_a_port_that_is_taken_is_named() -> None:
    with (
        health_server("127.0.0.1", 0, Vitals()) as port,
        pytest.raises(PortTaken, match=str(port)),
        health_server("127.0.0.1", port, Vitals()),
    ):
        pass


def test_a_watcher_that_hangs_up_is_no_event(capsys: pytest.CaptureFixture[str]) -> None:
    with health_server("127.0.0.1", 0, Vitals()) as port:
        watcher = socket.create_connection(("127.0.0.1", port))
        watcher.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        watcher.sendall(b"GET /hea")
        time.sleep(0.2)
        watcher.close()
        time.sleep(0.3)
    assert not capsys.readouterr().err
