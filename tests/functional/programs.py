"""Real processes that the journeys start, watch by their logs, and end by their id."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

REPO = Path(__file__).resolve().parents[2]
PATIENCE_S = 60  # only a failure takes as long
PR_SET_PDEATHSIG = 1
Found = TypeVar("Found")


def eventually(condition: Callable[[], Found], what: str = "", seconds: float = PATIENCE_S) -> Found:
    """What `condition` answers as soon as that is true."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, what or f"never: {condition}"
        time.sleep(0.03)
    return found


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One process with its output in a log file. It dies with the tests."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=REPO,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The structured log lines so far, all or those of one event."""
        lines = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict) and name in ("", line.get("event"))]

    def wait_for(self, event: str, times: int = 1) -> dict[str, Any]:
        """The log's line number `times` about `event`."""

        def said() -> list[dict[str, Any]]:
            assert len(self.events(event)) >= times or self.is_running, self.log.read_text(errors="replace")
            return self.events(event)[times - 1 :]

        return eventually(said, f"no {event} in {self.log}")[0]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """As a power cut would: no chance to do anything."""
        if self.is_running:
            self.signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """Ask it to end; the exit status."""
        if self.is_running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
