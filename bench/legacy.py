"""`script/bench legacy`: the same stream of jobs and the same faults, on the old pattern and on ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bench import databases
from bench.databases import use
from bench.output import json_line, table
from bench.placeholders import Placeholders
from bench.records import Records
from bench.stream import IMAGES, Outcome, Pattern, make_stream

if TYPE_CHECKING:
    from bench.__main__ import Options

JOBS, QUICK_JOBS = 400, 40
LOST = DOUBLED = 0.05
SEED = 20
ROWS = {
    "jobs": "jobs submitted",
    "expected": "images expected",
    "lost": "callbacks lost on their way",
    "doubled": "callbacks that came twice",
    "events": "events sent to browsers",
    "queries_per_job": "statements a job",
    "upload_queries_per_job": "of these, storing the uploads",
    "placeholders_left": "placeholders left over",
    "orphans": "images that no job's page shows",
    "linked_to_another_job": "placeholders linked to another job",
    "duplicates": "images stored twice",
    "missing": "images missing",
    "unfinished": "jobs that never ended",
}


def run(options: Options) -> None:
    """Both patterns in databases of their own, on one server, in one run."""
    stream = make_stream(QUICK_JOBS if options.quick else JOBS, lost=LOST, doubled=DOUBLED, seed=SEED)
    outcomes = {}
    patterns: dict[str, Callable[[str], Pattern]] = {"old": Placeholders, "ours": Records}
    for name, pattern in patterns.items():
        databases.create(name, template=databases.BASE)
        use(name)
        outcomes[name] = pattern(name).play(stream)
    print_outcomes(outcomes)
    shares = {"images_per_job": IMAGES, "lost_share": LOST, "doubled_share": DOUBLED, "seed": SEED}
    json_line({"bench": "legacy"} | shares | {name: found.figures() for name, found in outcomes.items()})


def print_outcomes(outcomes: Mapping[str, Outcome]) -> None:
    old, ours = outcomes["old"].figures(), outcomes["ours"].figures()
    rows = [[title, f"{old[key]:g}", f"{ours[key]:g}"] for key, title in ROWS.items()]
    table(
        f"{IMAGES} images a job, {LOST:.0%} of the callbacks lost, {DOUBLED:.0%} doubled",
        ["", "placeholder, then insert", "a record per asset"],
        rows,
    )
