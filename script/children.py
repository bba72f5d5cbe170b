"""The processes that `script/server` runs, and their log files."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from options import REPO, CannotStartError

MAX_LINE_BYTES = 100_000
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Even a kill -9 of this process leaves no orphans, where the system can do that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Follower:
    """The lines that a log file gained since the last look; rotates it when it has over `max_bytes`.

    Its writer keeps the file open, so it is copied and then truncated; `files` older ones are kept.
    """

    path: Path
    max_bytes: int
    files: int
    position: int = 0
    rest: bytes = b""

    def __post_init__(self) -> None:
        self.path.touch(mode=0o600)
        self.position = self.path.stat().st_size

    def lines(self) -> list[str]:
        with self.path.open("r+b") as log:
            log.seek(self.position)
            new = log.read()
            self.position = log.tell()
            if self.position > self.max_bytes:
                new += self.rotate(log)
        *lines, rest = (self.rest + new).split(b"\n")
        self.rest = rest[:MAX_LINE_BYTES]
        return [line.decode(errors="replace") for line in lines]

    def rotate(self, log: BinaryIO) -> bytes:
        """Returns what was written meanwhile. Without space for a copy the file is truncated nevertheless."""
        new = b""
        with contextlib.suppress(OSError):
            for number in range(self.files - 1, 0, -1):
                if self.older(number).exists():
                    self.older(number).replace(self.older(number + 1))
            with (self.older(1) if self.files else Path(os.devnull)).open("wb") as copy:
                log.seek(0)
                shutil.copyfileobj(log, copy)
                copied = log.tell()
                log.seek(self.position)
                new = log.read()
                copy.write(new[copied - self.position :])
        log.truncate(0)
        self.position = 0
        return new

    def older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


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
