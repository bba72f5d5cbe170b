"""How the worker is doing, for whoever watches it: kept by the runner, told over HTTP."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ourvidz_worker import __version__

STUCK_AFTER_S = 1800.0  # no step takes this long on a machine that is fit for it


class PortTaken(Exception):
    """Somebody else listens there, or it is not ours to take."""


class Vitals:
    """Written by the worker's threads, read by the watcher's.

    `activity`: loading, idle, working (the engine), or delivering (only the server is waited for).
    `stuck_after_s`: without progress; 0 for never.
    """

    def __init__(self, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self._stuck_after_s = stuck_after_s
        self._lock = threading.Lock()
        self._activity = "loading"
        self._news: object = None
        self._moved = time.monotonic()
        self._connected = False
        self._endings: Counter[str] = Counter()
        self._busy_s = 0.0

    def turn_to(self, activity: str) -> None:
        with self._lock:
            self._activity, self._moved = activity, time.monotonic()

    def progressed(self, news: object) -> None:
        """Only what differs from the last news is progress."""
        with self._lock:
            if news != self._news:
                self._news, self._moved = news, time.monotonic()

    def heard_from_server(self, *, connected: bool) -> None:
        with self._lock:
            self._connected = connected

    def ended(self, ending: str, seconds: float) -> None:
        with self._lock:
            self._endings[ending] += 1
            self._busy_s += seconds

    def is_stuck(self) -> bool:
        """The engine is at work, and nothing has moved for very long."""
        with self._lock:
            limit = self._stuck_after_s or math.inf
            return self._activity == "working" and time.monotonic() - self._moved > limit

    def health(self) -> tuple[bool, dict[str, object]]:
        """Whether it is well, and the facts."""
        stuck = self.is_stuck()
        with self._lock:
            still_s = time.monotonic() - self._moved
            return not stuck, {
                "status": "stuck" if stuck else self._activity,
                "connected": self._connected,
                "seconds_since_progress": round(still_s, 1),
                "version": __version__,
            }

    def metrics(self) -> str:
        """In Prometheus' text format."""
        well, facts = self.health()
        gauges = {
            "ourvidz_worker_healthy": int(well),
            "ourvidz_worker_connected": int(bool(facts["connected"])),
            "ourvidz_worker_working": int(facts["status"] in ("working", "delivering", "stuck")),
            "ourvidz_worker_seconds_since_progress": facts["seconds_since_progress"],
        }
        lines = [
            line for name, value in gauges.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")
        ]
        with self._lock:
            lines.append("# TYPE ourvidz_worker_jobs_total counter")
            lines += [
                f'ourvidz_worker_jobs_total{{ending="{name}"}} {n}' for name, n in self._endings.items()
            ]
            lines.append("# TYPE ourvidz_worker_busy_seconds_total counter")
            lines.append(f"ourvidz_worker_busy_seconds_total {self._busy_s:.3f}")
        return "\n".join(lines) + "\n"


@contextmanager
def health_server(host: str, port: int, vitals: Vitals) -> Iterator[int]:
    """Serves GET /health and GET /metrics; yields the port. Raises PortTaken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/health":
                well, facts = vitals.health()
                self._answer(200 if well else 503, "application/json", json.dumps(facts))
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4", vitals.metrics())
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
            """A watcher that looks every few seconds is no event."""

    class Listener(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A watcher that has gone is none either."""

        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        server = Listener((host, port), Handler)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port} for /health: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
