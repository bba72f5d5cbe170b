"""What this system must never do, and the tests that name it: `python -m tests.pitfalls` prints the list.

A test names what it rules out in its docstring, as `pitfall 12` or `Pitfalls 28 and 29`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

TESTS = Path(__file__).resolve().parent
NAMED = re.compile(r"\bpitfalls?\s+(\d+(?:(?:\s*,\s*|\s+and\s+|\s*,\s*and\s+)\d+)*)", re.IGNORECASE)

# Failures that systems of this kind really had. The numbers left out are named by no test yet.
PITFALLS: Mapping[int, str] = {
    1: "A placeholder that stays queued for ever, because completion inserts new rows",
    2: "Records linked to a job after the fact, by user, prompt and time",
    3: "A job that a worker sees before its records are committed",
    4: "Results paired with records by their position",
    5: "A job completed before its results are written",
    6: "Only the first record of a failed job fails",
    7: "Deleting one image deletes its batch",
    8: "Seed 0 taken for no seed; values invented that no worker sent",
    9: "Siblings of the same prompt and seed taken for duplicates",
    10: "Rows without files, files without rows",
    11: "A status that the database does not allow",
    12: "A job lost with its worker, for want of a lease",
    13: "A queue that is last-in first-out, or in which one user starves the others",
    14: "A callback sent once: the answer lost, the job processing for ever",
    15: "A callback repeated that completes or counts twice",
    16: "A worker whose lease has expired overwrites its successor",
    17: "A callback that anybody can send",
    18: "Health checks that keep a GPU awake, or cannot tell stuck from slow",
    19: "A reference image that fails is silently ignored",
    20: "A storage path that worker and server spell differently",
    21: "A file with the wrong content type or extension",
    22: "A completion shown twice; events that nobody sends or hears",
    23: "Live updates missed while the socket was down",
    24: "Another user's staging area after a change of users in one browser",
    25: "One signing request for each asset; a signed address kept past its expiry",
    26: "A library that grows slow: no index, OFFSET, every row loaded",
    27: "Counts that are stale after a bulk action",
    28: "Clear all that destroys what was saved, or skips what is hidden",
    29: "Leaving the Workspace deletes from the Library",
    30: "A lightbox that opens the wrong picture",
    31: "A control that is shown and does nothing",
    32: "Progress that is not the job's",
    33: "A user who can write the own job, usage or role",
    34: "Limits that are shown and enforced nowhere",
    35: "Expiry that is promised and run by nothing",
    36: "A page that fetches itself anew and removes what is not on its first page",
    37: "A dead line that looks live; a submission that only the socket shows",
    38: "Typed settings lost on reload, on another page, after a lost session",
    39: "Try again on one that retries all; Clear that takes what is not shown; a bulk action without undo",
    40: "A body, an answer, a socket, a decoder or a request without a bound per caller",
    41: "Bytes of a body where none belongs: the next answer or request on that connection is what they say",
    42: "A file that two readers see differently: depth, alpha, orientation, first frame, colours, length",
    43: "A whole file called damaged because a decoder raised or died",
    44: "A setting out of its range that is taken, and destroys data; a path pasted into a URL",
    45: "One bad row that stops the queue, or a chore, for everybody",
    46: "A worker whose faults are its own, and that goes on emptying the queue",
    47: "A parameter that a worker does not know and drops without a word",
    48: "State that must be one for all processes kept in one process's memory",
    49: "Every socket of an owner rendering the same news again, on one thread",
    50: "Search that knows only ASCII, one word order, one field",
    51: "A model, LoRA or workflow found by guessing names; the last node taken for the output",
    52: "Credentials that outlive what was meant to end them: sessions, sockets, links and tokens",
}


def numbers_in(docstring: str) -> set[int]:
    return {int(number) for named in NAMED.findall(docstring) for number in re.findall(r"\d+", named)}


def tests_in(path: Path) -> Iterator[tuple[str, str]]:
    """The id and docstring of each test function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{path.relative_to(TESTS.parent)}::{node.name}", ast.get_docstring(node) or ""


def by_pitfall() -> dict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for test, docstring in tests_in(path):
            for number in numbers_in(docstring):
                found[number].append(test)
    return found


def main() -> None:
    found = by_pitfall()
    for number, title in PITFALLS.items():
        print(f"{number:2} {title}")
        for test in found.get(number, ["(no test names it)"]):
            print(f"     {test}")


if __name__ == "__main__":
    main()
