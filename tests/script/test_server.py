"""`script/server` without its set-up: the supervisor, with the real web server and the real worker."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# Each of these ends a path, or changes it, somewhere: in a URL, a shell, a pattern.
ODD_NAME = "my #1 data?x=%20&y 'q' \"d\" [a]* $HOME ; ü 東"
SUPERVISE = [sys.executable, str(REPO / "script" / "supervise.py")]


def environment(data: Path, **settings: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DATA_DIR": str(data), "PORT": "0", **settings}


class Server:
    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.output = data.with_name(f"{data.name}.output")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                SUPERVISE,
                env=environment(data, **settings),
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0,  # the most careless there is
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, pattern: str, seconds: float = 110) -> re.Match[str]:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if found := re.search(pattern, self.text):
                return found
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in: {self.text}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def children(self) -> dict[int, str]:
        """The processes that work on this data folder, by their environment."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"DATA_DIR={self.data}\0".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        found.pop(self.process.pid, None)
        return found

    def child(self, word: str) -> int:
        return next(pid for pid, command in self.children().items() if word in command)


def eventually(condition: Callable[[], object], seconds: float = 15) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / ODD_NAME)
    yield started
    if started.process.poll() is None:
        started.stop(signal.SIGTERM)


def refusal(data: Path, **settings: str) -> str:
    done = subprocess.run(
        [*SUPERVISE, "--check"],
        env=environment(data, **settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:  # SQLite deletes its journal with the last connection
        return False


def test_it_starts_restarts_a_killed_worker_and_stops_cleanly(server: Server) -> None:
    """Pitfall 44: a path pasted into a URL put the database beside the folder, open to others."""
    link = server.wait_for(r"Sign in +(http://127\.0\.0\.1:\d+/sign-in/once/\S+) ").group(1)
    with urllib.request.urlopen(link) as answer:
        assert answer.status == 200

    assert list((server.data / "spool").glob("*/run-*")), "nothing outside the data folder"
    made = [server.data, *server.data.rglob("*")]
    assert {"web.log", "db.sqlite3", "spool", "static", "secret_key"} <= {path.name for path in made}
    assert [path for path in made if is_open_to_others(path)] == []
    assert stat.S_IMODE((server.data / "db.sqlite3").stat().st_mode) == 0o600
    assert {path.name for path in server.data.parent.iterdir()} == {ODD_NAME, f"{ODD_NAME}.output"}
    assert "already running" in refusal(server.data)

    killed = server.child("ourvidz-worker")
    os.kill(killed, signal.SIGKILL)
    server.wait_for(r"worker-1 was killed by SIGKILL, it starts again in 1 s")
    eventually(lambda: any(pid != killed and "ourvidz-worker" in c for pid, c in server.children().items()))

    assert server.stop() == 0
    assert server.children() == {}


def test_it_ends_when_the_web_server_does(server: Server) -> None:
    server.wait_for("Ctrl-C stops it")
    os.kill(server.child("manage.py serve"), signal.SIGKILL)
    assert server.process.wait(30) == 1
    assert "the web server was killed by SIGKILL" in server.text
    assert server.children() == {}


def test_another_address_alone_is_enough(tmp_path: Path) -> None:
    """It did not start, and said only that /healthz answers 400: the site did not know its own address."""
    server = Server(tmp_path / "data", HOST="127.0.0.2")
    try:
        address = server.wait_for(r"Open +(http://127\.0\.0\.2:\d+/)", seconds=90).group(1)
        with urllib.request.urlopen(f"{address}sign-in/") as answer:
            assert answer.status == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("hosts", "address", "note"),
    [
        ("localhost,.studio.example,studio.example", r"https://studio\.example", False),
        ("", r"http://127\.0\.0\.1:\d+", True),  # nothing says what the site is called
    ],
)
def test_behind_https_the_link_has_the_sites_own_name(
    tmp_path: Path, hosts: str, address: str, note: bool
) -> None:
    """It printed http://127.0.0.1:8000, which is sent to https:// where nothing listens."""
    server = Server(tmp_path / "data", HTTPS="true", ALLOWED_HOSTS=hosts, WORKERS="0")
    try:
        server.wait_for("Ctrl-C stops it")
        assert re.search(rf"Open +{address}/\n", server.text)
        assert re.search(rf"Sign in +{address}/sign-in/once/\S+ ", server.text)
        assert ("ALLOWED_HOSTS= names the site to open" in server.text) is note
    finally:
        server.stop()


def test_its_own_death_leaves_no_orphans(server: Server) -> None:
    server.wait_for("Ctrl-C stops it")
    server.stop(signal.SIGKILL)
    eventually(lambda: not server.children())


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in refusal(tmp_path, PORT=str(port))


@pytest.mark.parametrize("port", ["0", "8000"])
def test_an_address_of_another_machine_is_named(tmp_path: Path, port: str) -> None:
    """Pitfall 44"""
    said = refusal(tmp_path, HOST="nowhere.invalid", PORT=port)
    assert "HOST=nowhere.invalid is no address of this machine" in said
    assert "change it, or leave it out" in said


@pytest.mark.parametrize(("name", "value"), [("PORT", "99999"), ("PORT", "http"), ("WORKERS", "-1")])
def test_nonsense_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    assert f"OurVidz: {name}={value} is not a whole number from 0 to " in refusal(tmp_path, **{name: value})


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not writable" in refusal(tmp_path / "file" / "data")


def test_a_disabled_worker_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    """An operator disables the bundled worker in the admin; the next start says so and goes on."""
    data = tmp_path / "data"
    prepare = [sys.executable, "manage.py", "prepare", "--workers", "1"]
    subprocess.run(prepare, cwd=REPO, env=environment(data), check=True, stdout=subprocess.DEVNULL)
    with contextlib.closing(sqlite3.connect(data / "db.sqlite3")) as database, database:
        database.execute("UPDATE generation_worker SET enabled = 0")
    server = Server(data)
    try:
        server.wait_for("Ctrl-C stops it", seconds=90)
        assert "worker-1 is disabled: it gets jobs once it is enabled in the admin" in server.text
        assert "ourvidz-worker" in "".join(server.children().values())
    finally:
        assert server.stop() == 0
