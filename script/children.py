"""The processes that `script/server` runs, and their log files."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from options import REPO, CannotStartError

KEEP_LOG_BYTES = 10_000_000
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Even a kill -9 of this process leaves no orphans, where the system can do that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Follower:
    """The lines that a log file gained since the last look."""

    path: Path
    position: int = 0
    rest: bytes = b""

    def __post_init__(self) -> None:
        if self.path.exists() and self.path.stat().st_size > KEEP_LOG_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        self.path.touch(mode=0o600)
        self.position = self.path.stat().st_size

    def lines(self) -> list[str]:
        with self.path.open("rb") as log:
            log.seek(self.position)
            new = self.rest + log.read()
            self.position = log.tell()
        *lines, self.rest = new.split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def event_of(line: str) -> dict[str, Any]:
    """A structured log line as a dict; {} for any other."""
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict):
            return event
    return {}


@dataclass
class Child:
    name: str
    command: list[str]
    environment: dict[str, str]
    log: Follower
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    connected: bool = False
    is_awaited: bool = True
    failures: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        self.connected = False
        self.started = time.monotonic()
        with self.log.path.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=REPO,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end_as_text(self) -> str:
        code = self.process.returncode if self.process else 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def signal(self, number: signal.Signals) -> None:
        """To the whole session, so that what the child started ends too."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Command:
    """A management command that ends by itself."""

    def __init__(self, name: str, *words: str, logs: Path, environment: dict[str, str]) -> None:
        self.log = logs / f"{name}.log"
        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", name, *words],
                cwd=REPO,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=die_with_parent,
            )

    def finish(self, complaint: str, show: Callable[[str], None] = lambda _: None) -> str:
        """The JSON that it printed, or ""; other lines are shown as they come. Raises `CannotStartError`.

        However long it takes: a migration of a large database is not stopped half-way.
        """
        answer = ""
        for line in self.process.stdout or ():
            if line.startswith("{"):
                answer = line
            elif line.strip():
                show(line.rstrip())
        if self.process.wait():
            last = (self.log.read_text(errors="replace").strip() or "no message").splitlines()[-1]
            message = f"{complaint}: {last} (all of it: {self.log})"
            raise CannotStartError(message)
        return answer
