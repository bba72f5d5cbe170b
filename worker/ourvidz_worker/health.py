"""The worker's health, recorded by the runner and served over HTTP as /health and /metrics."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ourvidz_worker import __version__

STUCK_AFTER_S = 1800.0  # no step takes this long on a machine that is fit for it


class PortUnavailable(Exception):
    """The health server cannot listen on this port: it is in use or not permitted."""


class WorkerHealth:
    """Thread-safe: the worker's threads write it, the health server's threads read it.

    The activity is loading, idle, working (the engine runs) or delivering (only the server is waited for).
    `stuck_after_s`: seconds without progress after which the engine counts as stuck; 0 for never.
    """

    def __init__(self, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self._stuck_after_s = stuck_after_s
        self._lock = threading.Lock()
        self._activity = "loading"
        self._last_progress: object = None
        self._last_change = time.monotonic()
        self._connected = False
        self._withdrawn: dict[str, str] = {}  # the reason, by pool
        self._jobs_by_ending: Counter[str] = Counter()
        self._busy_s = 0.0

    def set_activity(self, activity: str) -> None:
        with self._lock:
            self._activity, self._last_change = activity, time.monotonic()

    def record_progress(self, progress: object) -> None:
        """A repeated report counts as no progress."""
        with self._lock:
            if progress != self._last_progress:
                self._last_progress, self._last_change = progress, time.monotonic()

    def set_connected(self, *, connected: bool) -> None:
        with self._lock:
            self._connected = connected

    def set_withdrawn(self, reasons: Mapping[str, str]) -> None:
        with self._lock:
            self._withdrawn = dict(reasons)

    def record_job(self, ending: str, seconds: float) -> None:
        with self._lock:
            self._jobs_by_ending[ending] += 1
            self._busy_s += seconds

    def is_stuck(self) -> bool:
        """Whether the engine is working and has made no progress for `stuck_after_s`."""
        with self._lock:
            limit = self._stuck_after_s or math.inf
            return self._activity == "working" and time.monotonic() - self._last_change > limit

    def snapshot(self) -> tuple[bool, dict[str, object]]:
        """Whether the worker is healthy, and the body of GET /health."""
        stuck = self.is_stuck()
        with self._lock:
            idle_s = time.monotonic() - self._last_change
            return not stuck, {
                "status": "stuck" if stuck else self._activity,
                "connected": self._connected,
                "seconds_since_progress": round(idle_s, 1),
                "version": __version__,
                "withdrawn": dict(self._withdrawn),
            }

    def metrics(self) -> str:
        """The body of GET /metrics, in Prometheus' text format."""
        is_healthy, facts = self.snapshot()
        gauges = {
            "ourvidz_worker_healthy": int(is_healthy),
            "ourvidz_worker_connected": int(bool(facts["connected"])),
            "ourvidz_worker_working": int(facts["status"] in ("working", "delivering", "stuck")),
            "ourvidz_worker_seconds_since_progress": facts["seconds_since_progress"],
            "ourvidz_worker_withdrawn_pools": len(self._withdrawn),
        }
        lines = [
            line for name, value in gauges.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")
        ]
        with self._lock:
            lines.append("# TYPE ourvidz_worker_jobs_total counter")
            lines += [
                f'ourvidz_worker_jobs_total{{ending="{name}"}} {n}'
                for name, n in self._jobs_by_ending.items()
            ]
            lines.append("# TYPE ourvidz_worker_busy_seconds_total counter")
            lines.append(f"ourvidz_worker_busy_seconds_total {self._busy_s:.3f}")
        return "\n".join(lines) + "\n"


@contextmanager
def health_server(host: str, port: int, health: WorkerHealth) -> Iterator[int]:
    """Serves GET /health and GET /metrics; yields the port. Raises PortUnavailable."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/health":
                is_healthy, facts = health.snapshot()
                self._answer(200 if is_healthy else 503, "application/json", json.dumps(facts))
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4", health.metrics())
            else:
                self._answer(404, "text/plain", "GET /health or /metrics\n")

        def _answer(self, status: int, content_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Requests are not logged: a probe comes every few seconds."""

    class Listener(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A probe that disconnects is not logged either."""

        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        server = Listener((host, port), Handler)
    except OSError as error:
        raise PortUnavailable(f"cannot listen on {host}:{port} for /health: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
