"""A server that speaks the worker protocol over a real socket, as scripted by a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

TOKEN = "ovw_test"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    port: int  # of the client: one for each connection

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ProtocolServer:
    """`answers` maps "METHOD tail-of-path" to (status, headers, body), used up before the default ones.

    `hold_s`: how long a lease waits for a job; `slow_s`: how long a preview takes, `upload_s` an upload,
    `lease_s` the body of an answer to a lease. Of a body over `largest_kept` bytes nothing is kept.
    `probes`: the empty requests, which only ask whether they would be refused; `requests`: all others.
    `jobs`: the answers to leases, of an embedder too; `images`: what it may fetch, by the path's last part.
    """

    url: str = ""
    token: str = TOKEN
    jobs: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, dict[str, str], Any]]] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    action: str = "continue"
    hold_s: float = 0.0
    slow_s: float = 0.0
    upload_s: float = 0.0
    lease_s: float = 0.0
    largest_kept: int = 2**30
    requests: list[Request] = field(default_factory=list)
    probes: list[Request] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    released: Event = field(default_factory=Event)

    def script(self, call: str, status: int, body: Any = None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(call, []).append((status, named, body))

    def seen(self, tail: str) -> list[Request]:
        with self.lock:
            return [request for request in self.requests if request.path.endswith(tail)]

    def uploads(self) -> list[Request]:
        with self.lock:
            return [request for request in self.requests if "/uploads/" in request.path]

    def previews(self) -> list[Request]:
        with self.lock:
            return [request for request in self.requests if "/previews/" in request.path]

    def connections(self) -> int:
        with self.lock:
            return len({request.port for request in self.requests})

    def answer(self, request: Request) -> tuple[int, dict[str, str], Any]:
        is_probe = is_empty_lease(request) or is_empty_report(request)
        with self.lock:
            (self.probes if is_probe else self.requests).append(request)
        if request.path.endswith("/lease") and not self.jobs and not is_probe:
            self.released.wait(self.hold_s)
        if "/previews/" in request.path:
            self.released.wait(self.slow_s)
        if "/uploads/" in request.path:
            self.released.wait(self.upload_s)
        with self.lock:
            for call, scripted in self.answers.items():
                method, tail = call.split(" ")
                if scripted and request.method == method and request.path.endswith(tail):
                    return scripted.pop(0)
            if request.headers.get("authorization") != f"Bearer {self.token}":
                return 401, {}, {"title": "Unauthorized"}
            if is_empty_lease(request):
                return 422, {}, {"title": "Invalid"}
            return self._default_answer(request)

    def delay_body(self, path: str) -> None:
        if path.endswith("/lease"):
            self.released.wait(self.lease_s)

    def _default_answer(self, request: Request) -> tuple[int, dict[str, str], Any]:
        if request.path.endswith("/lease"):
            offers_nothing = request.json.get("pools") == ["none"]
            return (200, {}, self.jobs.pop(0)) if self.jobs and not offers_nothing else (204, {}, None)
        if request.method == "GET":
            content = self.images.get(request.path.rpartition("/")[2])
            return (404, {}, {"title": "Not found"}) if content is None else (200, {}, content)
        if request.path.endswith("/heartbeat"):
            return 200, {}, {"action": self.action}
        if "/previews/" in request.path:
            return 204, {}, None
        if request.method == "PUT":
            return 200, {}, {"upload_id": f"u{request.path.rsplit('/', 1)[1]}", "sha256": "", "valid": True}
        return 200, {}, {"accepted": [], "duplicate": [], "rejected": [], "job_status": "processing"}


def is_empty_lease(request: Request) -> bool:
    return request.path.endswith("/lease") and request.body == b"{}"


def is_empty_report(request: Request) -> bool:
    """Of an embedder."""
    is_report = request.method == "POST" and request.path.endswith("/embeddings")
    return is_report and not (request.json["images"] or request.json["texts"])


@contextmanager
def protocol_server() -> Iterator[ProtocolServer]:
    script = ProtocolServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self._body(length), self.client_address[1])
            status, extra, body = script.answer(request)
            text = b"" if body is None else body
            payload = text if isinstance(text, bytes) else json.dumps(text).encode()
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            script.delay_body(self.path)
            with suppress(BrokenPipeError):  # a client that was stopped while it waited
                self.wfile.write(payload)

        def _body(self, length: int) -> bytes:
            if length <= script.largest_kept:
                return self.rfile.read(length)
            while length > 0:
                length -= len(self.rfile.read(min(length, 2**16)))
            return b""

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 the names http.server wants

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def job_body(*, slots: int = 1, prompt: str = "a lighthouse at sunset", **parameters: Any) -> dict[str, Any]:
    """A lease answer with every field, small enough to draw quickly."""
    defaults = {"media": "image", "width": 256, "height": 256, "frames": 1, "fps": 0, "enhance": False}
    return {
        "job_id": "job-1",
        "lease_token": "lease-1",
        "attempt": 1,
        "lease_seconds": 60,
        "heartbeat_seconds": 20,
        "job_type": "sdxl_image_fast",
        "engine": "sdxl",
        "prompt": prompt,
        "negative_prompt": "",
        "parameters": {**defaults, "steps": 15, "guidance": 6.0, **parameters},
        "slots": [{"slot": n, "image_index": n, "asset_id": f"a{n}", "seed": n} for n in range(slots)],
        "references": [],
        "upload": {"max_bytes": 50_000_000, "content_types": ["image/png", "video/mp4"]},
    }
