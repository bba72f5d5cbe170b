"""`script/server`'s supervisor as a newcomer uses it; tests/script covers its refusals and its deaths."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.functional.programs import REPO, Program, eventually
from tests.servers.process import free_port


def start(data: Path, log: Path, **settings: str) -> tuple[Program, str, str]:
    """The supervisor with a fresh SQLite; its address and the path of the sign-in link."""
    environment = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(data), "PORT": "0", **settings}
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


def test_a_server_that_was_killed_whole_goes_on_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfall 12: its job waited for over a minute, until the lease of a worker that was dead ran out."""
    data, settings = tmp_path / "data", {"PORT": str(free_port()), "OURVIDZ_WORKER_PACE": "300"}
    server, address, link = start(data, tmp_path / "first.log", **settings)
    asked = {"media": "image", "quality": "fast", "quantity": "1", "prompt": "a lighthouse"}
    with closing(sign_in(address, link)) as http, another_worker(data, address) as other:
        send(http, "/", "/workspace/submit", **asked)
        eventually(lambda: jobs_in(data, "processing"))
        send(http, "/", "/workspace/submit", **asked)
        held = other.post("lease", json={"engines": ["sdxl", "wan"]}).json()
        eventually(lambda: list((data / "spool").rglob("in-hand")))
        kill_whole(server, data)

        began = time.monotonic()
        server, _, _ = start(data, tmp_path / "second.log", **settings)
        ready = time.monotonic()
        eventually(lambda: attempts_in(data, "bundled-1") == [(1, "reported"), (2, "running")], seconds=45)
        with capsys.disabled():
            print(
                f"\nready after {ready - began:.1f} s, at work again {time.monotonic() - ready:.1f} s later"
            )
        beat = {"lease_token": held["lease_token"], "progress": 1, "stage": "drawing"}
        assert other.post(f"jobs/{held['job_id']}/heartbeat", json=beat).json() == {"action": "continue"}
        assert attempts_in(data, "another") == [(1, "running")]
    server.signal(signal.SIGINT)
    assert server.process.wait(30) == 0


def kill_whole(server: Program, data: Path) -> None:
    """As the machine does that goes off: nobody gets a word in."""
    found = [path for path in Path("/proc").glob("[0-9]*/environ") if works_on(path, data)]
    os.kill(server.process.pid, signal.SIGSTOP)  # so that it starts nothing meanwhile
    for pid in [int(path.parent.name) for path in found if path.parent.name != str(server.process.pid)]:
        os.kill(pid, signal.SIGKILL)
    server.process.kill()
    server.process.wait(10)
    eventually(lambda: not any(works_on(path, data) for path in Path("/proc").glob("[0-9]*/environ")))


@contextmanager
def another_worker(data: Path, address: str) -> Iterator[httpx.Client]:
    """A fallback as the bundled one is, so that the two share the jobs."""
    environment = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(data)}
    command = [sys.executable, "manage.py", "create_worker", "another", "--engines", "sdxl,wan"]
    printed = subprocess.run(command, cwd=REPO, env=environment, check=True, capture_output=True, text=True)
    token = re.search(r"ovw_\S+", printed.stdout)
    assert token
    with closing(sqlite3.connect(data / "db.sqlite3", timeout=20)) as database, database:
        database.execute("UPDATE generation_worker SET fallback = 1 WHERE name = 'another'")
    headers = {"Authorization": f"Bearer {token.group()}"}
    with httpx.Client(
        base_url=f"{address}/api/v1/worker/", headers=headers, timeout=60, trust_env=False
    ) as http:
        yield http


def rows(data: Path, query: str, *values: str) -> list[tuple[int | str, ...]]:
    with closing(sqlite3.connect(data / "db.sqlite3", timeout=20)) as database:
        return list(database.execute(query, values))


def jobs_in(data: Path, status: str) -> list[tuple[int | str, ...]]:
    return rows(data, "SELECT id FROM generation_job WHERE status = ?", status)


def attempts_in(data: Path, worker: str) -> list[tuple[int | str, ...]]:
    attempts = """
        SELECT number, outcome FROM generation_attempt
        JOIN generation_worker AS worker ON worker.id = worker_id WHERE worker.name = ? ORDER BY number
    """
    return rows(data, attempts, worker)
