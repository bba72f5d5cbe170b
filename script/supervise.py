"""Runs the web process, its chores and the bundled workers, until a signal or until the web process ends.

Only the standard library, so that `--check` can tell what is wrong before anything is installed.
Children get their own session (Ctrl-C reaches this process alone) and write straight into their log files,
which are followed for what the terminal should show.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

REPO = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60
STOP_LIMIT_S = 8  # longer than a worker takes to hand its job back
KEEP_LOG_BYTES = 10_000_000
HEALTHY_AFTER_S = 60  # a child that ran this long starts its back-off anew
PR_SET_PDEATHSIG = 1


class CannotStartError(Exception):
    """Something the person who starts OurVidz can put right; the message is one line."""


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed must not keep anything from being stopped
        print(text, flush=True)


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    workers: int
    data: Path

    @classmethod
    def from_environment(cls) -> Options:
        port = number("PORT", default=8000, highest=65535)
        host = os.environ.get("HOST") or "127.0.0.1"
        return cls(
            host=host,
            port=port or free_port(host),
            workers=number("WORKERS", default=1, highest=64),
            data=Path(os.environ.get("DATA_DIR") or REPO / "data").resolve(),
        )

    @property
    def own_host(self) -> str:
        """How this machine reaches the web server, as it stands in a URL."""
        if self.host in {"0.0.0.0", "::"}:  # noqa: S104
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def address(self) -> str:
        return f"http://{self.own_host}:{self.port}"

    @property
    def logs(self) -> Path:
        return self.data / "logs"


def number(name: str, *, default: int, highest: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) > highest:
        message = f"{name}={text} is not a number from 0 to {highest}"
        raise CannotStartError(message)
    return int(text)


def free_port(host: str) -> int:
    with socket.create_server((host, 0), family=family(host)) as server:
        return int(server.getsockname()[1])


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def check_port(options: Options) -> None:
    try:
        socket.create_server((options.host, options.port), family=family(options.host)).close()
    except PermissionError as error:
        message = f"port {options.port} needs more rights: choose one above 1023, for example PORT=8000"
        raise CannotStartError(message) from error
    except OSError as error:
        message = f"{options.host}:{options.port} cannot be used ({error.strerror}): change HOST= or PORT="
        if error.errno == errno.EADDRINUSE:
            message = f"port {options.port} is in use: choose another, for example PORT={options.port + 1}"
        raise CannotStartError(message) from error


def lock_data_folder(options: Options) -> IO[str]:
    """The open lock file: the lock is held until the process ends, however it ends."""
    try:
        options.logs.mkdir(parents=True, exist_ok=True)
        lock = (options.data / "server.lock").open("a+")
    except OSError as error:
        message = f"the data folder {options.data} is not writable ({error.strerror}): change DATA_DIR="
        raise CannotStartError(message) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        message = (
            f"OurVidz is already running on {options.data} ({lock.read().strip() or 'just starting'}): "
            "stop it first, or give this one its own DATA_DIR="
        )
        raise CannotStartError(message) from error
    return lock


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


@dataclass
class Supervisor:
    options: Options
    began: float
    web: Child | None = None
    workers: list[Child] = field(default_factory=list)
    chores: list[Child] = field(default_factory=list)
    stop_asked: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.environment = {
            **os.environ,
            "DATA_DIR": str(self.options.data),
            "PORT": str(self.options.port),
            "PYTHONUNBUFFERED": "1",
        }
        if given := os.environ.get("ALLOWED_HOSTS"):
            # It need not name the address that only this machine uses.
            self.environment["ALLOWED_HOSTS"] = f"{given},{self.options.own_host}"
        self.woken, wake = socket.socketpair()
        self.woken.settimeout(0)
        wake.settimeout(0)
        self.wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up

    def ask_to_stop(self, *_: object) -> None:
        self.stop_asked.set()

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than until a signal or the end of a child."""
        if select.select([self.woken], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                self.woken.recv(1024)

    def run(self) -> int:
        say(f"Starting OurVidz on {self.options.address}")
        prepared = self.prepare()
        if self.stop_asked.is_set():
            return 0
        try:
            self.start_web()
            self.start_workers(prepared["worker_tokens"])
            if not self.stop_asked.is_set():
                self.announce(prepared["sign_in_path"])
                self.chores.append(self.start("chores", [sys.executable, "manage.py", "maintain"]))
            while not self.stop_asked.is_set():
                self.look_after()
                self.pause(0.5)
        except CannotStartError as error:
            say(f"OurVidz: {error}")
            return 1
        else:
            return 0
        finally:
            self.stop()

    def prepare(self) -> dict[str, Any]:
        """Migrates, makes the first account and the workers' tokens, in one process."""
        command = [sys.executable, "manage.py", "prepare", "--workers", str(self.options.workers)]
        log = self.options.logs / "prepare.log"
        with log.open("wb") as errors:
            preparing = subprocess.Popen(
                command, cwd=REPO, env=self.environment, stdout=subprocess.PIPE, stderr=errors
            )
            output, _ = preparing.communicate()
        if preparing.returncode and not self.stop_asked.is_set():
            last = (log.read_text(errors="replace").strip() or "no message").splitlines()[-1]
            message = f"the database could not be prepared: {last} (all of it: {log})"
            raise CannotStartError(message)
        return dict(json.loads(output or b"{}"))

    def start_web(self) -> None:
        options = self.options
        serve = ["manage.py", "serve", "--host", options.host, "--port", str(options.port)]
        self.web = self.start("web", [sys.executable, *serve])
        self.wait_until(self.web_answers, "the web server does not answer")

    def web_answers(self) -> bool:
        request = urllib.request.Request(f"{self.options.address}/healthz")  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            message = f"{error.geturl()} answers {error.code}: see {self.options.logs / 'web.log'}"
            raise CannotStartError(message) from error
        except OSError:
            return False

    def start_workers(self, tokens: list[str]) -> None:
        program = str(Path(sys.executable).parent / "ourvidz-worker")
        command = [program, "run", "--server", self.options.address, "--engine", "sketch"]
        for index, token in enumerate(tokens, 1):
            self.workers.append(self.start(f"worker-{index}", command, OURVIDZ_WORKER_TOKEN=token))
        self.wait_until(self.workers_are_connected, "a worker did not connect")

    def workers_are_connected(self) -> bool:
        return all(worker.connected for worker in self.workers)

    def start(self, name: str, command: list[str], **environment: str) -> Child:
        log = Follower(self.options.logs / f"{name}.log")
        child = Child(name, command, {**self.environment, **environment}, log)
        child.start()
        return child

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        limit = time.monotonic() + START_LIMIT_S
        while not self.stop_asked.is_set():
            self.look_after()
            if condition():
                return
            if time.monotonic() > limit:
                message = f"{otherwise} within {START_LIMIT_S} s: see {self.options.logs}"
                raise CannotStartError(message)
            self.pause(0.05)

    def announce(self, sign_in_path: str) -> None:
        options = self.options
        workers = f"{options.workers} worker{'s' * (options.workers != 1)}"
        say(f"\nOurVidz is ready after {time.time() - self.began:.1f} s, with {workers}.\n")
        say(f"  Open     {options.address}/")
        say(f"  Sign in  {options.address}{sign_in_path}   (works once, as owner)")
        say(f"  Data     {options.data}")
        say(f"  Logs     {options.logs}")
        if options.host not in {"127.0.0.1", "localhost", "::1"} and "ALLOWED_HOSTS" not in os.environ:
            say("  Note     other machines are refused until ALLOWED_HOSTS= names what they call this one")
        say("\nCtrl-C stops it.\n")

    def look_after(self) -> None:
        if self.web:
            self.show_errors(self.web)
            if self.web.has_ended:
                message = f"the web server {self.web.end_as_text()}: see {self.web.log.path}"
                raise CannotStartError(message)
        for child in (*self.workers, *self.chores):
            self.look_after_child(child)

    def show_errors(self, web: Child) -> None:
        for line in web.log.lines():
            event = event_of(line)
            if event.get("level") in {"error", "critical"}:
                say(f"web: {event.get('event')} ({event.get('timestamp', '')} in {web.log.path.name})")
                if trace := event.get("exception"):
                    say(str(trace))
            elif not event and line.strip():
                say(f"web: {line}")

    def look_after_child(self, child: Child) -> None:
        for line in child.log.lines():
            child.connected = child.connected or event_of(line).get("event") == "connected"
        now = time.monotonic()
        if child.process is None:
            if now >= child.again_at:
                child.start()
        elif child.has_ended:
            child.failures = 1 if now - child.started > HEALTHY_AFTER_S else child.failures + 1
            delay = min(30, 2 ** (child.failures - 1))
            say(f"{child.name} {child.end_as_text()}, it starts again in {delay} s (see {child.log.path})")
            child.process = None
            child.again_at = now + delay

    def stop(self) -> None:
        """Workers first, so that they can still give their jobs back; what does not listen is killed."""
        if self.web is None:
            return
        say("Stopping …")
        for group in ([*self.workers, *self.chores], [self.web]):
            for child in group:
                child.signal(signal.SIGTERM)
            limit = time.monotonic() + STOP_LIMIT_S
            while any(c.process and not c.has_ended for c in group) and time.monotonic() < limit:
                self.pause(0.1)
            for child in group:
                if child.process and not child.has_ended:
                    child.signal(signal.SIGKILL)
                    child.process.wait()
        say(f"OurVidz is stopped; the data stays in {self.options.data}")


def main() -> int:
    began = float(os.environ.pop("OURVIDZ_STARTED", "") or time.time())
    try:
        options = Options.from_environment()
        with lock_data_folder(options) as lock:
            check_port(options)
            if "--check" in sys.argv:
                print(began)
                return 0
            lock.truncate(0)
            lock.write(f"process {os.getpid()}, {options.address}")
            lock.flush()
            return Supervisor(options, began).run()
    except CannotStartError as error:
        print(f"OurVidz: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
