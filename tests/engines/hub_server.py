"""A hub on this machine: the calls by which libraries find out about repositories and fetch their files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0" * 40
PART_BYTES = 2**18


@dataclass
class Repository:
    """A folder, under a name. `sizes` are told instead of the files' own, and `info` beside them.

    `asked`: the paths of files that were read, with the range asked for.
    """

    name: str
    folder: Path
    sizes: dict[str, int] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def files(self) -> dict[str, int]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        own = {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in paths}
        return own | self.sizes

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        if path == f"/api/models/{self.name}" or path.startswith(f"/api/models/{self.name}/revision/"):
            siblings = [{"rfilename": name, "size": size} for name, size in self.files().items()]
            facts = {"id": self.name, "sha": COMMIT, "private": False, "gated": False, "siblings": siblings}
            return 200, json.dumps(facts | self.info).encode(), {}
        if path.startswith(f"/api/models/{self.name}/tree/"):
            tree = [
                {"type": "file", "path": name, "size": size, "oid": COMMIT}
                for name, size in self.files().items()
            ]
            return 200, json.dumps(tree).encode(), {}
        name, _, rest = path.lstrip("/").partition("/resolve/")
        file = self.folder / rest.partition("/")[2]
        if name == self.name and file.is_file():
            content = file.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            return 200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        return 404, b"{}", {"X-Error-Code": "EntryNotFound" if name == self.name else "RepoNotFound"}


def in_range(
    wanted: str, status: int, content: bytes, headers: dict[str, str]
) -> tuple[int, bytes, dict[str, str]]:
    """The answer from the byte on that the header `wanted` names, as when a fetch goes on."""
    if not wanted or status != 200:
        return status, content, headers
    begin, whole = int(wanted.removeprefix("bytes=").partition("-")[0]), len(content)
    return 206, content[begin:], headers | {"Content-Range": f"bytes {begin}-{whole - 1}/{whole}"}


@contextmanager
def hub_server(repository: Repository, *, pause_s: float = 0.0) -> Iterator[str]:
    """Yields the address for HF_ENDPOINT. `pause_s`: after each part of a file."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, wanted = urlsplit(self.path).path, self.headers.get("Range", "")
            if self.command == "GET":
                repository.asked.append((path, wanted))
            status, content, headers = in_range(wanted, *repository.answer(path))
            self.send_response(status)
            for each, value in headers.items():
                self.send_header(each, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self._send_slowly(content)

        do_HEAD = do_GET  # noqa: N815 the name http.server wants

        def _send_slowly(self, content: bytes) -> None:
            with suppress(BrokenPipeError):
                for begin in range(0, len(content), PART_BYTES):
                    self.wfile.write(content[begin : begin + PART_BYTES])
                    self.wfile.flush()
                    time.sleep(pause_s)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
