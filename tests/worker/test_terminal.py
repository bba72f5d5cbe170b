"""On a terminal: lines for people and a bar; elsewhere: JSON lines and no bar."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time

from tests.worker.protocol_server import TOKEN, ProtocolServer, job_body
from tests.worker.test_runner import ended, wait_for

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def seen_on_a_terminal(server: ProtocolServer, *flags: str) -> str:
    """What a person would have seen while the worker made its jobs."""
    screen, theirs = pty.openpty()
    worker = subprocess.Popen(
        [sys.executable, "-m", "ourvidz_worker", "run", "--server", server.url, *flags],
        env={**os.environ, "OURVIDZ_WORKER_TOKEN": TOKEN, "TERM": "xterm", "COLUMNS": "100"},
        stderr=theirs,
        stdin=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    try:
        wait_for(lambda: ended(server), seconds=40)
        time.sleep(0.3)
    finally:
        worker.terminate()
        try:
            while more := os.read(screen, 65536):
                shown += more
        except OSError:  # the other end is closed
            pass
        os.close(screen)
        assert worker.wait(10) == 0
    return CONTROL.sub("", shown.decode(errors="replace"))


def test_a_terminal_shows_a_bar_and_lines_for_people(server: ProtocolServer) -> None:
    server.jobs.append(job_body(slots=2))
    shown = seen_on_a_terminal(server, "--pace", "1")
    assert "sdxl_image_fast × 2" in shown
    shares = {int(share) for share in re.findall(r"(\d+)%", shown)}
    assert len(shares) > 3
    assert "sketching" in shown
    assert "job ended" in shown
    assert '{"at"' not in shown
    assert "lighthouse" not in shown
    assert TOKEN not in shown
