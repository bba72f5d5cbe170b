"""`script/bite`: breaks a copy of the last commit in one place at a time and runs what must notice it."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.properties.sabotage import Edit, Sabotage
from tests.properties.sabotages import SABOTAGES
from tests.servers import temporary_postgres

REPO = Path(__file__).resolve().parents[2]
LIMIT_S = 900
FAILED, PASSED = 1, 0
OPTIONS = ("-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:playwright")


@dataclass(frozen=True)
class Result:
    name: str
    caught_by: str  # empty: not caught
    seconds: float


class DoesNotFitError(Exception):
    """The text that a sabotage replaces is not there any more: it must follow the code."""


def copy_of_the_last_commit(folder: Path) -> None:
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=REPO, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)


@contextmanager
def broken(folder: Path, edits: Sequence[Edit]) -> Iterator[None]:
    originals: dict[Path, str] = {}
    try:
        for edit in edits:
            path = folder / edit.path
            text = path.read_text()
            originals.setdefault(path, text)
            if edit.old not in text:
                message = f"{edit.path} has no {edit.old!r}"
                raise DoesNotFitError(message)
            path.write_text(text.replace(edit.old, edit.new))
        yield
    finally:
        for path, text in originals.items():
            path.write_text(text)


def run_tests(folder: Path, tests: Sequence[str], environment: dict[str, str]) -> tuple[int, str]:
    usual = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    with tempfile.TemporaryDirectory(prefix="ourvidz-data-") as data:
        own = {"DATA_DIR": data, "PROPERTIES": "bite", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *tests],
            cwd=folder,
            env=usual | own | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    return done.returncode, done.stdout + done.stderr


def test_that_failed(output: str) -> str:
    found = re.search(r"^(?:FAILED|ERROR) \S*?::(\w+)", output, re.MULTILINE)
    return found[1] if found else ""


def bite(folder: Path, sabotage: Sabotage, environment: dict[str, str]) -> Result:
    began = time.monotonic()
    try:
        with broken(folder, sabotage.edits):
            status, output = run_tests(folder, sabotage.tests, environment if sabotage.postgres else {})
        caught = test_that_failed(output) if status == FAILED else ""
        if status not in (FAILED, PASSED):
            print(output[-3000:], file=sys.stderr)
    except DoesNotFitError as error:
        print(f"{sabotage.name}: {error}", file=sys.stderr)
        caught = ""
    return Result(sabotage.name, caught, time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bite", description=__doc__)
    parser.add_argument("words", nargs="*", help="only those with such a word in their names")
    parser.add_argument("--list", action="store_true", help="only tell what there is")
    given = parser.parse_args()
    chosen = [s for s in SABOTAGES if not given.words or any(word in s.name for word in given.words)]
    if given.list:
        print("\n".join(sabotage.name for sabotage in chosen))
        return 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ourvidz-bite-")))
        copy_of_the_last_commit(folder)
        environment = {}
        if any(sabotage.postgres for sabotage in chosen):
            environment["DATABASE_URL"] = stack.enter_context(temporary_postgres())
        return report(folder, chosen, environment)


def report(folder: Path, chosen: Sequence[Sabotage], environment: dict[str, str]) -> int:
    """The table. First the copy as it is must pass, or nothing that follows means anything."""
    for postgres in sorted({sabotage.postgres for sabotage in chosen}):
        tests = sorted({test for s in chosen if s.postgres == postgres for test in s.tests})
        status, output = run_tests(folder, tests, environment if postgres else {})
        if status != PASSED:
            print(output[-6000:], file=sys.stderr)
            print("script/bite: the tests do not pass as they are", file=sys.stderr)
            return 1
    print("| sabotage | caught by | s |\n| --- | --- | --- |", flush=True)
    results = []
    for sabotage in chosen:
        result = bite(folder, sabotage, environment)
        results.append(result)
        caught = f"`{result.caught_by}`" if result.caught_by else "**NOT CAUGHT**"
        print(f"| {result.name} | {caught} | {result.seconds:.0f} |", flush=True)
    missed = [result.name for result in results if not result.caught_by]
    print(f"\n{len(results) - len(missed)} of {len(results)} caught", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
