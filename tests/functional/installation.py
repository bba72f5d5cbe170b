"""A whole OurVidz for the journeys: its own database and folder, a web server, workers, people, machines."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import psycopg
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from generation.models import Model, Worker
from generation.models.job import Job
from generation.models.statuses import ACTIVE
from tests.acting import cancel_all, issue_worker_token
from tests.functional.callers import Machine, Person
from tests.functional.pages import Page
from tests.functional.programs import REPO, Program, eventually
from tests.servers.process import free_port

_number = itertools.count(1)
PASSWORD = "correct horse battery staple"
COLLECT = ("collectstatic", "--noinput", "-v0", "-i", "*.js.map", "-i", "redoc*", "-i", "rest_framework")


class Installation:
    """One server on one port, as long as the tests run; it may be killed and started again."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.wrapper: list[str] = []  # what starts the web server
        self.environment = {
            **os.environ,
            "SECRET_KEY": settings.SECRET_KEY,
            "DJANGO_SETTINGS_MODULE": "ourvidz.settings",
            **environment,
            "DATA_DIR": str(data),
            "XDG_STATE_HOME": str(data / "state"),  # where workers keep what they made
            "PORT": str(self.port),
        }
        self.web: Program | None = None
        self.programs: list[Program] = []
        self.callers: list[Machine | Person] = []
        self.pages: list[Page] = []
        self.connection: BaseDatabaseWrapper | None = None

    # The server

    def prepare(self) -> dict[str, Any]:
        """What `manage.py prepare` prints: the one-time sign-in link and workers' tokens."""
        collecting = self.manage(*COLLECT)
        preparing = self.manage("prepare", "--workers", "0")
        answer, trouble = preparing.communicate()
        assert preparing.returncode == 0, trouble
        _, trouble = collecting.communicate()
        assert collecting.returncode == 0, trouble
        return dict(json.loads(answer.splitlines()[-1]))  # what it warns of comes before

    def manage(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=REPO,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self) -> None:
        """Start the web server and wait until it serves."""
        command = [*self.wrapper, sys.executable, "manage.py", "serve", "--port", str(self.port)]
        self.web = Program(command, self.data / f"web-{self.port}.log", self.environment)
        eventually(self.answers, "the web server does not answer")

    def answers(self) -> bool:
        assert self.web is not None
        assert self.web.is_running, self.web.log.read_text(errors="replace")[-3000:]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.address}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def beside(self, **environment: str) -> Installation:
        """Another web server on the same database and folder, to be started and stopped by the caller."""
        return Installation(self.data, **{**self.environment, **environment})

    def kill_server(self) -> None:
        assert self.web is not None
        self.web.kill()

    def restart(self) -> None:
        """As after a crash: killed at once, then started on the same port."""
        self.kill_server()
        self.start()

    # Those who call it

    def worker(self, *words: str, pace: float = 0) -> Program:
        """A real `ourvidz-worker`, connected. `words` follow on its command line."""
        return self._ourvidz_worker("run", *words, OURVIDZ_WORKER_PACE=str(pace))

    def embedder(self) -> Program:
        """A real `ourvidz-worker embed`, by colours and layout, connected."""
        return self._ourvidz_worker("embed", "--embedder", "sketch", embeds=True)

    def _ourvidz_worker(self, command: str, *words: str, embeds: bool = False, **environment: str) -> Program:
        worker, token = self._register(embeds=embeds)
        program = Program(
            [str(Path(sys.executable).parent / "ourvidz-worker"), command, "--server", self.address, *words],
            self.data / f"{worker.name}.log",
            {**self.environment, "OURVIDZ_WORKER_TOKEN": token, **environment},
        )
        self.programs.append(program)
        program.wait_for("connected")
        return program

    def machine(self) -> Machine:
        """A worker that is this test: the protocol by raw HTTP."""
        _, token = self._register()
        machine = Machine(self.address, token)
        self.callers.append(machine)
        return machine

    def _register(self, *, embeds: bool = False) -> tuple[Worker, str]:
        engines = [] if embeds else ["sdxl", "wan"]
        worker = Worker.objects.create(name=f"worker-{next(_number)}", engines=engines, embeds=embeds)
        return worker, issue_worker_token(worker)

    def user(self, name: str = "", *, staff: bool = False) -> User:
        name = name or f"person{next(_number)}"
        # Encoded as the server checks it: the tests' own settings hash faster than it would accept.
        encoded = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)
        return User.objects.create(username=name, password=encoded, is_staff=staff, is_superuser=staff)

    def page(self, person: Person) -> Page:
        """The person's Workspace, open until the test ends."""
        page = Page(person)
        self.pages.append(page)
        return page

    def person(self, user: User | None = None) -> Person:
        """Somebody with a session, by raw HTTP."""
        person = Person(self.address, user or self.user())
        self.callers.append(person)
        return person

    # Between the tests

    def tidy(self) -> None:
        """End what a test started, and leave no work for the next one."""
        for program in self.programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.stop()
        self.programs.clear()
        for page in self.pages:
            page.close()
        self.pages.clear()
        for caller in self.callers:
            caller.http.close()
        self.callers.clear()
        if self.web is None or not self.web.is_running:
            self.start()
        for owner_id in set(Job.objects.filter(status__in=ACTIVE).values_list("owner_id", flat=True)):
            cancel_all(owner_id=owner_id)
        Model.objects.all().delete()
        Worker.objects.update(last_seen_at=None)  # else those that have gone count as there for a minute

    def stop(self) -> None:
        for program in self.programs:
            program.kill()
        if self.web is not None:
            self.web.stop()

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """Let this thread's ORM read and write the installation's database."""
        if self.connection is None:
            self.connection = self._connect()
        usual = connections["default"]
        connections["default"] = self.connection
        try:
            yield
        finally:
            self.connection.close()
            connections["default"] = usual

    def _connect(self) -> BaseDatabaseWrapper:
        known = dict(connections["default"].settings_dict)
        if url := self.environment.get("DATABASE_URL"):
            known |= dj_database_url.parse(url) | {"OPTIONS": {}}
        else:
            known["NAME"] = self.data / "db.sqlite3"
        wrapper: BaseDatabaseWrapper = load_backend(known["ENGINE"]).DatabaseWrapper(known, "default")
        return wrapper


@contextlib.contextmanager
def own_database() -> Iterator[dict[str, str]]:
    """An empty database on the PostgreSQL that the run names; without one, SQLite in the data folder."""
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        yield {}
        return
    name = f"journeys_{os.getpid()}_{free_port()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield {"DATABASE_URL": urlsplit(server)._replace(path=f"/{name}").geturl()}
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextlib.contextmanager
def installed(data: Path, *, wrapper: Sequence[str] = (), **environment: str) -> Iterator[Installation]:
    """A fresh installation that serves; `wrapper` starts its web server."""
    data.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if "DATABASE_URL" not in environment:
            environment |= stack.enter_context(own_database())
        installation = Installation(data, **environment)
        installation.wrapper = list(wrapper)
        try:
            installation.prepare()
            installation.start()
            yield installation
        finally:
            installation.stop()
