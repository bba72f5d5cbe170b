"""The HTTP side of the stand-in, and its life: it can be stopped and started on the same port."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.worker.comfy_stand_in.faults import Faults
from tests.worker.comfy_stand_in.prompts import PromptQueue
from tests.worker.comfy_stand_in.sockets import Connection, accept_key

Answer = tuple[int, Any]  # a status, and a table, bytes or nothing


class ComfyStandIn:
    """`requests`: method and path of each. `uploads`: the fields of each. `clients`: closed before it."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.clients = ExitStack()
        self.requests: list[tuple[str, str]] = []
        self.uploads: list[dict[str, str]] = []
        self.queue = PromptQueue(self.faults, self._send, self._supports_metadata)
        self.connections: list[Connection] = []
        self.open: set[socket.socket] = set()
        self._lock = Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = _Listener(("127.0.0.1", self._port), type("Handler", (_Handler,), {"stand_in": self}))
        self._port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """No connection is taken, and those that are there are cut; what was in memory is lost."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        self.cut_sockets()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.queue.forget()

    def close(self) -> None:
        self.clients.close()
        self.stop()
        self.queue.close()

    def cut_sockets(self) -> None:
        with self._lock:
            connections, self.connections = self.connections, []
        for connection in connections:
            connection.close()

    def asked(self, method: str, start: str) -> int:
        return sum(each == method and path.startswith(start) for each, path in self.requests)

    def _send(self, client_id: str, message: dict[str, Any] | bytes) -> None:
        with self._lock:
            wanted = [each for each in self.connections if each.client_id == client_id]
        for connection in wanted:
            connection.send(message)
            if 0 < self.faults.cuts_sockets_after <= connection.sent:
                connection.close()

    def _supports_metadata(self, client_id: str) -> bool:
        with self._lock:
            wanted = [each for each in self.connections if each.client_id == client_id]
        return any(each.features.get("supports_preview_metadata") for each in wanted)

    def get(self, path: str, query: dict[str, str]) -> Answer:
        queue = self.queue
        if path == "/system_stats":
            return 200, {"system": {"comfyui_version": "0.3.64"}, "devices": [{"name": "stand-in"}]}
        if path == "/object_info":
            return 200, queue.classes()
        if path == "/queue":
            return 200, queue.queue()
        if path.startswith("/history/"):
            name = unquote(path.removeprefix("/history/"))
            return 200, {name: queue.history[name]} if name in queue.history else {}
        if path.startswith("/api/jobs") and self.faults.has_jobs:
            job = queue.job(path.removeprefix("/api/jobs/"))
            if path == "/api/jobs":
                return 200, {"jobs": [], "pagination": {}}
            return (200, job) if job else (404, {"error": "Job not found"})
        if path == "/view":
            file = queue.files.get((query["type"], query["subfolder"], query["filename"]))
            return (200, file) if file is not None and not self.faults.loses_files else (404, b"")
        return 404, b"404: Not Found"

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/prompt":
            return self.queue.put(body)
        if path == "/queue":
            self.queue.delete(body.get("delete", []))
        elif path == "/interrupt":
            self.queue.interrupt(body.get("prompt_id", ""))
        elif path == "/free":
            self.queue.free(body)
        elif path == "/history":
            for name in body.get("delete", []):
                self.queue.history.pop(name, None)
        else:
            return 404, b""
        return 200, b""

    def upload(self, fields: dict[str, Any], content: bytes, filename: str) -> Answer:
        self.uploads.append({**fields, "filename": filename})
        folder = fields.get("subfolder", "")
        self.queue.pictures[f"{folder}/{filename}" if folder else filename] = content
        return 200, {"name": filename, "subfolder": folder, "type": "input"}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A client that was cut off is no news."""


class _Handler(BaseHTTPRequestHandler):
    stand_in: ComfyStandIn
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.stand_in.open.add(self.connection)

    def finish(self) -> None:
        self.stand_in.open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.stand_in.requests.append(("GET", parts.path))
        if parts.path == "/ws" and not self.stand_in.faults.refuses_sockets:
            self._serve_socket(query.get("clientId", ""))
        else:
            self._answer(*self.stand_in.get(parts.path, {"type": "output", "subfolder": "", **query}))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.stand_in.requests.append(("POST", self.path))
        if self.path == "/upload/image":
            self._answer(*self._upload(content))
            return
        answer = self.stand_in.post(self.path, json.loads(content))
        if self.path == "/prompt" and self.stand_in.faults.prompt_answers_lost:
            self.stand_in.faults.prompt_answers_lost -= 1
            self.close_connection = True
            self.connection.close()
            return
        self._answer(*answer)

    def _upload(self, content: bytes) -> Answer:
        kind = self.headers["Content-Type"].encode()
        message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + content)
        fields: dict[str, Any] = {}
        picture, filename = b"", ""
        for part in message.iter_parts():
            payload = part.get_payload(decode=True) or b""
            if part.get_filename():
                picture, filename = bytes(payload), str(part.get_filename())
            else:
                fields[str(part.get_param("name", header="content-disposition"))] = bytes(payload).decode()
        return self.stand_in.upload(fields, picture, filename)

    def _answer(self, status: int, body: Any) -> None:
        if self.stand_in.faults.answers_nonsense:
            status, body = 200, b"<html>not what you asked for</html>"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(302 if self.stand_in.faults.redirect_to else status)
        if self.stand_in.faults.redirect_to:
            self.send_header("Location", f"{self.stand_in.faults.redirect_to}{self.path}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def _serve_socket(self, client_id: str) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(self.headers["Sec-WebSocket-Key"]))
        self.end_headers()
        self.close_connection = True
        connection = Connection(self.connection, client_id)
        self.stand_in.connections.append(connection)
        connection.send({"type": "status", "data": {"sid": client_id}})
        connection.serve()
        with suppress(ValueError):
            self.stand_in.connections.remove(connection)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def comfy_stand_in() -> Iterator[ComfyStandIn]:
    stand_in = ComfyStandIn()
    stand_in.start()
    try:
        yield stand_in
    finally:
        stand_in.close()
