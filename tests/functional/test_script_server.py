"""`script/server`'s supervisor as a newcomer uses it; tests/script covers its refusals and its deaths."""

from __future__ import annotations

import re
import signal
import sys
from contextlib import closing
from pathlib import Path

import httpx

from tests.functional.programs import REPO, Program, eventually


def start(data: Path, log: Path) -> tuple[Program, str, str]:
    """The supervisor with a fresh SQLite; its address and the path of the sign-in link."""
    environment = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(data), "PORT": "0"}
    program = Program([sys.executable, str(REPO / "script" / "supervise.py")], log, environment)
    link = eventually(
        lambda: re.search(r"Sign in +(http://127\.0\.0\.1:\d+)(/\S+) ", log.read_text()), seconds=180
    )
    return program, link.group(1), link.group(2)


def sign_in(address: str, link: str) -> httpx.Client:
    http = httpx.Client(base_url=address, timeout=60, trust_env=False, follow_redirects=True)
    assert send(http, link, link).url.path == "/"
    return http


def send(http: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', http.get(page).text)
    assert token
    return http.post(path, data={"csrfmiddlewaretoken": token.group(1), **fields})


def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    """From the printed link to a picture by the bundled worker, and the next start still has it."""
    server, address, link = start(tmp_path / "data", tmp_path / "first.log")
    with closing(sign_in(address, link)) as http:
        assert http.get("/healthz").text == "ok"
        asked = {"media": "image", "quality": "fast", "quantity": "1", "prompt": "a lighthouse"}
        send(http, "/", "/workspace/submit", **asked)
        tile = eventually(lambda: re.search(r'id="tile-image-([^"]+)"', http.get("/library/").text))
    server.signal(signal.SIGINT)
    assert server.process.wait(30) == 0

    server, address, link = start(tmp_path / "data", tmp_path / "second.log")
    with closing(sign_in(address, link)) as http:
        assert tile.group(0) in http.get("/library/").text
        picture = http.get(f"/media/image/{tile.group(1)}/file")
        assert picture.headers["Content-Type"] == "image/png"
    server.signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if works_on(path, tmp_path / "data")]
    assert left == []


def works_on(environ: Path, data: Path) -> bool:
    try:
        return f"DATA_DIR={data}\0".encode() in environ.read_bytes()
    except OSError:
        return False
