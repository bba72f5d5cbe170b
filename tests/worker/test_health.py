"""GET /health and GET /metrics."""

from __future__ import annotations

import socket
import struct
import time

import httpx
import pytest

from ourvidz_worker.engines.sketch.engine import SketchEngine
from ourvidz_worker.health import PortUnavailable, WorkerHealth, health_server
from tests.worker.protocol_server import ProtocolServer, job_body
from tests.worker.test_runner import ended, wait_for, working


def test_a_busy_worker_is_healthy_and_a_stuck_one_is_not() -> None:
    """pitfall 18"""
    health = WorkerHealth(stuck_after_s=1e-9)
    health.set_activity("idle")
    assert health.snapshot()[0], "an idle one has nothing to move"
    health.set_activity("working")
    is_healthy, facts = health.snapshot()
    assert (is_healthy, facts["status"]) == (False, "stuck")
    patient = WorkerHealth()
    patient.set_activity("working")
    assert patient.snapshot()[1]["status"] == "working"


def test_a_repeated_report_is_no_progress() -> None:
    health = WorkerHealth()
    health.set_activity("working")
    health.record_progress((0.5, "generating"))
    before = health._last_change
    health.record_progress((0.5, "generating"))
    assert health._last_change == before
    health.record_progress((0.6, "generating"))
    assert health._last_change > before


def test_jobs_are_counted_by_how_they_ended(server: ProtocolServer) -> None:
    server.jobs += [job_body(), job_body(width=9000)]
    health = WorkerHealth()
    with health_server("127.0.0.1", 0, health) as port, working(server, SketchEngine(), health=health):
        wait_for(lambda: len(server.seen("/job-callback")) == 2 and ended(server))
        wait_for(lambda: 'ending="failed"' in health.metrics())
        response = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 404
    assert (response.status_code, response.json()["status"], response.json()["connected"]) == (
        200,
        "idle",
        True,
    )
    assert 'ourvidz_worker_jobs_total{ending="completed"} 1\n' in metrics
    assert 'ourvidz_worker_jobs_total{ending="failed"} 1\n' in metrics
    assert "ourvidz_worker_healthy 1\n" in metrics


def test_health_is_served_over_ipv6_too() -> None:
    try:
        with health_server("::1", 0, WorkerHealth()) as port:
            assert httpx.get(f"http://[::1]:{port}/health", trust_env=False).json()["status"] == "loading"
    except PortUnavailable as none:
        pytest.skip(f"no IPv6 here: {none}")


def test_a_port_that_is_taken_is_named() -> None:
    with (
        health_server("127.0.0.1", 0, WorkerHealth()) as port,
        pytest.raises(PortUnavailable, match=str(port)),
        health_server("127.0.0.1", port, WorkerHealth()),
    ):
        pass


def test_a_probe_that_disconnects_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with health_server("127.0.0.1", 0, WorkerHealth()) as port:
        probe = socket.create_connection(("127.0.0.1", port))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.sendall(b"GET /hea")
        time.sleep(0.2)
        probe.close()
        time.sleep(0.3)
    assert not capsys.readouterr().err
