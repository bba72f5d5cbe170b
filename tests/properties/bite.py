"""`script/bite`: breaks a copy of the last commit in one place at a time and runs what must notice it."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar
from urllib.parse import urlsplit

from tests.properties.sabotage import Edit, Sabotage
from tests.properties.sabotages import SABOTAGES
from tests.servers import temporary_postgres

REPO = Path(__file__).resolve().parents[2]
T = TypeVar("T")
R = TypeVar("R")
LIMIT_S = 900
FAILED, PASSED = 1, 0
OPTIONS = ("-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:playwright")


@dataclass(frozen=True)
class Place:
    """A copy of its own, and a database of its own where one is needed."""

    folder: Path
    environment: dict[str, str]


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


def run_tests(
    folder: Path, tests: Sequence[str], environment: dict[str, str], *options: str
) -> tuple[int, str]:
    usual = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    with tempfile.TemporaryDirectory(prefix="ourvidz-data-") as data:
        own = {"DATA_DIR": data, "PROPERTIES": "bite", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *options, *tests],
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


def bite(place: Place, sabotage: Sabotage) -> Result:
    began = time.monotonic()
    try:
        with broken(place.folder, sabotage.edits):
            given = place.environment if sabotage.postgres else {}
            # Half of a short run would be migrations, where those are not what is broken.
            options = (
                () if any("migrations" in edit.path for edit in sabotage.edits) else ("--no-migrations",)
            )
            status, output = run_tests(place.folder, sabotage.tests, given, *options)
        caught = test_that_failed(output) if status == FAILED else ""
        if status not in (FAILED, PASSED):
            print(output[-3000:], file=sys.stderr)
    except DoesNotFitError as error:
        print(f"{sabotage.name}: {error}", file=sys.stderr)
        caught = ""
    return Result(sabotage.name, caught, time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bite", description=__doc__, allow_abbrev=False)
    parser.add_argument("words", nargs="*", help="only those with such a word in their names")
    parser.add_argument("--list", action="store_true", help="only tell what there is")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    given = parser.parse_args()
    chosen = [s for s in SABOTAGES if not given.words or any(word in s.name for word in given.words)]
    if given.list:
        print("\n".join(sabotage.name for sabotage in chosen))
        return 0
    with ExitStack() as stack:
        url = stack.enter_context(temporary_postgres()) if any(s.postgres for s in chosen) else ""
        places = []
        for number in range(given.jobs):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ourvidz-bite-")))
            copy_of_the_last_commit(folder)
            own = urlsplit(url)._replace(path=f"/bite_{number}").geturl()  # pytest makes test_bite_0
            places.append(Place(folder, {"DATABASE_URL": own}))
        return report(places, chosen)


def report(places: Sequence[Place], chosen: Sequence[Sabotage]) -> int:
    """The table. First the copy as it is must pass, or nothing that follows means anything."""
    free = SimpleQueue[Place]()
    for place in places:
        free.put(place)

    def somewhere(work: Callable[[Place, T], R], what: T) -> R:
        place = free.get()
        try:
            return work(place, what)
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(places)) as pool:
        if not all(pool.map(partial(somewhere, passes), whole_runs(chosen))):
            print("script/bite: the tests do not pass as they are", file=sys.stderr)
            return 1
        print("| sabotage | caught by | s |\n| --- | --- | --- |", flush=True)
        missed = 0
        for result in pool.map(partial(somewhere, bite), chosen):
            caught = f"`{result.caught_by}`" if result.caught_by else "**NOT CAUGHT**"
            missed += not result.caught_by
            print(f"| {result.name} | {caught} | {result.seconds:.0f} |", flush=True)
    print(f"\n{len(chosen) - missed} of {len(chosen)} caught", flush=True)
    return 1 if missed else 0


def whole_runs(chosen: Sequence[Sabotage]) -> list[Sabotage]:
    """The same tests with nothing broken."""
    runs = []
    for postgres in sorted({sabotage.postgres for sabotage in chosen}):
        tests = sorted({test for each in chosen if each.postgres == postgres for test in each.tests})
        runs.append(Sabotage("nothing", (), tuple(tests), postgres))
    return runs


def passes(place: Place, whole: Sabotage) -> bool:
    status, output = run_tests(place.folder, whole.tests, place.environment if whole.postgres else {})
    if status != PASSED:
        print(output[-6000:], file=sys.stderr)
    return status == PASSED


if __name__ == "__main__":
    sys.exit(main())
