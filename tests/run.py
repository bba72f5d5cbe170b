"""Every check of the repository, in three lanes at a time; `script/test` starts it."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.servers import NoChromiumError, temporary_postgres, temporary_redis
from tests.servers.chromium import ensure_chromium
from tests.servers.process import ServerDidNotStartError

REPO = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PARTS = {
    "lint": "ruff, mypy, import contracts, missing migrations, Django's own checks, Biome and tsc; known"
    " vulnerabilities of what is locked, where an advisory source answers",
    "sqlite": "the tests on SQLite and the in-memory channel layer, except those in a browser",
    "worker": "the tests of the worker package",
    "postgres": "the tests on PostgreSQL and Redis, except those in a browser or marked any_database",
    "browser": "the tests in Chromium, on PostgreSQL and Redis",
    "engines": "the worker's GPU engines on the CPU; only when asked for, as it installs torch",
}
ENGINES_PYTHON = REPO / ".venv-engines" / "bin" / "python"
FUNCTIONAL = ("tests/functional", "tests/bench", "tests/database_copy")  # through real servers and programs
NO_TESTS_COLLECTED = 5
LANES = 3  # on two cores: the tests wait about a third of their time
TESTS_FAILED = 1  # pytest's status where all ran
MOST_AGAIN = 8  # failures of a step: more are no matter of a busy machine
FAILURES = re.compile(r"^(?:FAILED|ERROR) tests/", re.MULTILINE)


@dataclass
class Step:
    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    status: int | None = None  # None: it did not run
    output: str = ""
    again: int = 0  # tests that passed when they were run again


@dataclass
class Run:
    """Steps that go on after a failure, so that everything is reported; output comes step by step, whole."""

    stopped: threading.Event = field(default_factory=threading.Event)
    output: threading.Lock = field(default_factory=threading.Lock)
    taking: threading.Lock = field(default_factory=threading.Lock)
    processes: set[subprocess.Popen[str]] = field(default_factory=set)

    def lane(self, left: Iterator[Step]) -> None:
        """Take the next step that no other lane has taken, until none is left."""
        while not self.stopped.is_set():
            with self.taking:
                step = next(left, None)
            if step is None:
                return
            self.step(step)

    def step(self, step: Step) -> None:
        began = time.monotonic()
        with self.output:
            print(f"... {step.name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="ourvidz-data-") as data:
            process = subprocess.Popen(
                step.command,
                cwd=REPO,
                env={**os.environ, "DATA_DIR": data, **step.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self.processes.add(process)
            step.output, _ = process.communicate()
            self.processes.discard(process)
        step.seconds, step.status = step.seconds + time.monotonic() - began, process.returncode
        with self.output:
            told = f"\n=== {step.name}: {outcome(step)} in {step.seconds:.1f} s\n{step.output}"
            print(told, end="", flush=True)

    def again(self, step: Step) -> None:
        """Run the few tests that failed once more, alone: the lanes are much for tests that watch the clock.

        One that fails again has failed; one that passes is named in the summary.
        """
        failures = len(FAILURES.findall(step.output))
        if step.status != TESTS_FAILED or "pytest" not in step.command or not 0 < failures <= MOST_AGAIN:
            return
        words = ["--last-failed", "--last-failed-no-failures=none"]
        repeated = replace(step, name=f"{step.name}, what failed once more", command=[*step.command, *words])
        self.step(repeated)
        step.seconds, step.status = repeated.seconds, repeated.status
        step.again = failures if step.status == 0 else 0

    def stop(self) -> None:
        self.stopped.set()
        for process in list(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def outcome(step: Step) -> str:
    if step.status is None:
        return "DID NOT RUN"
    if step.status == NO_TESTS_COLLECTED and "pytest" in step.command:
        return "FAILED, no tests found"
    return "passed" if step.status == 0 else "FAILED"


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


def pytest(lane: str, *words: str) -> list[str]:
    return python("-m", "pytest", "-o", f"cache_dir=.pytest_cache/{lane}", "--color=no", *words)


def lint_steps() -> list[Step]:
    key = "only-to-check-the-settings-" + "x0y1z2" * 8
    deploy = {"HTTPS": "1", "SECRET_KEY": key, "ALLOWED_HOSTS": "example.org"}
    check = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    venv = {"VENV": sys.prefix}
    return [
        Step("ruff check", [str(BIN / "ruff"), "check", "."]),
        Step("ruff format", [str(BIN / "ruff"), "format", "--check", "."]),
        Step("import contracts", [str(BIN / "lint-imports"), "--no-cache"]),
        Step("missing migrations", python("manage.py", "makemigrations", "--check", "--dry-run")),
        Step("django check", python(*check), deploy),
        Step("audit of what is locked", python("-m", "tests.audit")),
        Step("mypy", python("-m", "mypy", ".")),
        Step("javascript lint", ["script/js", "biome", "ci", "--colors=off", "static/js"], venv),
        Step("javascript types", ["script/js", "tsc"], venv),
    ]


def test_steps(parts: list[str], servers: dict[str, str]) -> list[Step]:
    """The longest first. Functional tests wait more than they compute: they are steps of their own."""
    on_sqlite, on_postgres = "not browser and not postgres", "not browser and (postgres or not any_database)"
    scripts = "tests/script"  # these start servers of their own, on SQLite
    apart = [f"--ignore={folder}" for folder in (*FUNCTIONAL, scripts, "tests/worker", "tests/engines")]
    engines = [str(ENGINES_PYTHON), *pytest("engines", "tests/engines")[1:]]
    steps = [
        ("browser", Step("tests in Chromium", pytest("browser", *apart, "-m", "browser"), servers)),
        ("postgres", Step("tests on PostgreSQL", pytest("postgres", *apart, "-m", on_postgres), servers)),
        ("sqlite", Step("tests on SQLite", pytest("sqlite", *apart, "-m", on_sqlite))),
        (
            "sqlite",
            Step(
                "functional tests on SQLite",
                pytest("functional-sqlite", *FUNCTIONAL, scripts, "-m", on_sqlite),
            ),
        ),
        (
            "postgres",
            Step(
                "functional tests on PostgreSQL",
                pytest("functional-postgres", *FUNCTIONAL, "-m", on_postgres),
                servers,
            ),
        ),
        ("engines", Step("tests of the engines", engines)),
        ("worker", Step("tests of the worker", pytest("worker", "tests/worker"))),
    ]
    return [step for part, step in steps if part in parts]


@contextlib.contextmanager
def servers_for(parts: list[str]) -> Iterator[dict[str, str]]:
    with contextlib.ExitStack() as stack:
        environment = {}
        if {"postgres", "browser"} & set(parts):
            environment["DATABASE_URL"] = stack.enter_context(temporary_postgres())
            environment["REDIS_URL"] = stack.enter_context(temporary_redis())
        if "browser" in parts:
            environment |= ensure_chromium()
        for name, value in environment.items():
            print(f"{name}={value}", flush=True)
        yield environment


def run_parts(parts: list[str]) -> int:
    began = time.monotonic()
    run = Run()
    with servers_for(parts) as servers:
        steps = [*(lint_steps() if "lint" in parts else []), *test_steps(parts, servers)]
        left = iter(steps)
        with ThreadPoolExecutor(LANES) as pool:
            waiting = [pool.submit(run.lane, left) for _ in range(LANES)]
            try:
                for lane in waiting:
                    lane.result()
                for step in steps:
                    run.again(step)
            finally:
                run.stop()
    print("\n=== Summary")
    for step in steps:
        again = f", {step.again} of them when run again, alone" if step.again else ""
        print(f"{step.name:30} {outcome(step):12} {step.seconds:6.1f} s{again}")
    if "engines" not in parts:
        print("The tests of the GPU engines were left out; script/test --engines runs them too.")
    failed = [step.name for step in steps if step.status != 0]
    print(f"{'FAILED: ' + ', '.join(failed) if failed else 'All passed'} in {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def run_selected(arguments: list[str]) -> int:
    """The quick way: what was named, on SQLite, in the foreground."""
    command = pytest("selected", *arguments)
    command.remove("--color=no")
    print(shlex.join(command), flush=True)
    with tempfile.TemporaryDirectory(prefix="ourvidz-data-") as data:
        return subprocess.run(command, cwd=REPO, env={**os.environ, "DATA_DIR": data}, check=False).returncode


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="script/test",
        description="Runs every check and test. Any other arguments go to pytest, on SQLite.",
        epilog="; ".join(f"{name}: {what}" for name, what in PARTS.items()),
        allow_abbrev=False,
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--engines", action="store_true", help="everything, and the part engines")
    given, for_pytest = parser.parse_known_args()
    for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "DEBUG", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        if for_pytest:
            return run_selected(for_pytest)
        usual = [name for name in PARTS if given.engines or name != "engines"]
        return run_parts(given.only or usual)
    except (NoChromiumError, ServerDidNotStartError) as error:
        print(f"script/test: set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nscript/test: interrupted; what it started is stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
