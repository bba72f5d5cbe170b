"""Runs the web process, its chores and the bundled workers, until a signal or until the web process ends.

Only the standard library, so that `--check` can tell what is wrong before anything is installed.
Children get their own session (Ctrl-C reaches this process alone) and write straight into their log files,
which are followed for what the terminal should show.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from children import Child, Command, Follower, event_of
from options import REPO, CannotStartError, Options, check_port, lock_data_folder

from ourvidz.private_files import UMASK

START_LIMIT_S = 60
STOP_LIMIT_S = 8  # longer than a worker takes to hand its job back
HEALTHY_AFTER_S = 60  # a child that ran this long starts its back-off anew
# Nothing links to the ignored ones, and compressing them takes a minute.
COLLECT = ("--noinput", "-v0", "-i", "*.js.map", "-i", "redoc*", "-i", "rest_framework")


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed must not keep anything from being stopped
        print(text, flush=True)


def state_of_set_up() -> str:
    """Changes with any static file or migration, ours or of an installed package, and with the database."""
    digest = hashlib.sha256((REPO / "requirements.txt").read_bytes())
    digest.update(os.environ.get("DATABASE_URL", "").encode())
    apps = [app.parent for app in REPO.glob("*/apps.py")]
    files = [path for app in apps for path in (*app.glob("static/**/*"), *app.glob("migrations/*.py"))]
    for path in sorted([*files, *REPO.glob("static/**/*")]):
        found = path.stat()
        digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@dataclass
class Supervisor:
    options: Options
    began: float
    commands: list[Command] = field(default_factory=list)
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
        # Compiling everything anew would double every start.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
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
        self.end_commands()

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than until a signal or the end of a child."""
        if select.select([self.woken], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                self.woken.recv(1024)

    def run(self) -> int:
        say(f"Starting OurVidz on {self.options.address}")
        try:
            prepared = self.set_up()
            self.wait_until(self.web_answers, "the web server does not answer")
            self.start_workers(prepared["worker_tokens"], prepared["disabled_workers"])
            if not self.stop_asked.is_set():
                self.announce(prepared["sign_in_path"])
                self.chores.append(self.start("chores", [sys.executable, "manage.py", "maintain"]))
            while not self.stop_asked.is_set():
                self.look_after()
                self.pause(0.5)
        except CannotStartError as error:
            if self.stop_asked.is_set():  # what was stopped halfway is no failure
                return 0
            say(f"OurVidz: {error}")
            return 1
        else:
            return 0
        finally:
            self.stop()

    def set_up(self) -> dict[str, Any]:
        """Starts the web server; before it, when anything is new, migrates and collects the static files."""
        stamp = self.options.data / "set-up.stamp"
        state = state_of_set_up()
        if stamp.exists() and stamp.read_text() == state:
            self.start_web()
            return self.prepare()
        collecting = self.command("collectstatic", *COLLECT)
        prepared = self.prepare()
        collecting.finish("the static files could not be collected")
        stamp.write_text(state)
        self.start_web()
        return prepared

    def prepare(self) -> dict[str, Any]:
        """Migrates, makes the first account and the workers' tokens, in one process."""
        preparing = self.command("prepare", "--workers", str(self.options.workers))
        answer = preparing.finish("the database could not be prepared", say)
        return dict(json.loads(answer))

    def command(self, name: str, *words: str) -> Command:
        command = Command(name, *words, logs=self.options.logs, environment=self.environment)
        self.commands.append(command)
        return command

    def start_web(self) -> None:
        options = self.options
        serve = ["manage.py", "serve", "--host", options.host, "--port", str(options.port)]
        self.web = self.start("web", [sys.executable, *serve])

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

    def start_workers(self, tokens: list[str], disabled: list[int]) -> None:
        """Starts disabled ones too: they ask until an operator enables them, and nobody waits for that."""
        program = str(Path(sys.executable).parent / "ourvidz-worker")
        # Its address is this machine's own, whatever HOST names.
        command = [program, "run", "--server", self.options.address, "--insecure", "--engine", "sketch"]
        spool = str(self.options.data / "spool")
        for index, token in enumerate(tokens, 1):
            chosen = {"OURVIDZ_WORKER_TOKEN": token, "OURVIDZ_WORKER_SPOOL": spool}
            worker = self.start(f"worker-{index}", command, **chosen)
            worker.is_awaited = index not in disabled
            if not worker.is_awaited:
                say(f"{worker.name} is disabled: it gets jobs once it is enabled in the admin")
            self.workers.append(worker)
        self.wait_until(self.workers_are_connected, "a worker did not connect")

    def workers_are_connected(self) -> bool:
        return all(worker.connected for worker in self.workers if worker.is_awaited)

    def start(self, name: str, command: list[str], **environment: str) -> Child:
        path = self.options.logs / f"{name}.log"
        log = Follower(path, max_bytes=self.options.log_bytes, files=self.options.log_files)
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
        site = options.site or options.address
        workers = f"{options.workers} worker{'s' * (options.workers != 1)}"
        say(f"\nOurVidz is ready after {time.time() - self.began:.1f} s, with {workers}.\n")
        say(f"  Open     {site}/")
        if sign_in_path:
            say(f"  Sign in  {site}{sign_in_path}   (works once, as owner)")
        else:
            say(f"  Sign in  {site}/sign-in/   (manage.py sign_in_link USER makes a link)")
        say(f"  Data     {options.data}")
        say(f"  Logs     {options.logs}")
        if options.https and not options.site:
            say("  Note     HTTPS=true redirects this address: ALLOWED_HOSTS= names the site to open instead")
        elif options.listens_everywhere and not os.environ.get("ALLOWED_HOSTS"):
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
        """Workers first, so that they can still give their jobs back."""
        self.end_commands()
        if self.web is None:
            return
        say("Stopping …")
        self.end([*self.workers, *self.chores])
        self.end([self.web])
        say(f"OurVidz is stopped; the data stays in {self.options.data}")

    def end_commands(self) -> None:
        for command in self.commands:
            if command.process.poll() is None:
                command.process.terminate()

    def end(self, children: list[Child]) -> None:
        """What does not listen in time is killed."""
        for child in children:
            child.signal(signal.SIGTERM)
        limit = time.monotonic() + STOP_LIMIT_S
        while any(child.is_running for child in children) and time.monotonic() < limit:
            self.pause(0.1)
        for child in children:
            if child.is_running:
                child.signal(signal.SIGKILL)


def main() -> int:
    os.umask(UMASK)
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
