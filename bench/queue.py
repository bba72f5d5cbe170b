"""`script/bench queue`: the domain functions at growing backlogs, beside the same SQL by hand."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from bench import databases, fill
from bench.claimers import Race, race
from bench.cycle import OPERATIONS, Cycle
from bench.databases import use
from bench.meter import Meter
from bench.output import json_line, say, table
from bench.plan import plan_of_claim

if TYPE_CHECKING:
    from bench.__main__ import Options

IN_FULL = "claim by hand in full"
# The newcomer's pool is another.
WARM = "sdxl_image_high"
# Untimed cycles come first: a server's connections live long, so it has prepared the statements it sends.
ROUNDS, WARMING_CYCLES, CYCLES = 4, 10, 12
QUICK_ROUNDS, QUICK_CYCLES = 1, 1
CLAIMS, QUICK_CLAIMS = 2500, 30
QUICK_WORKERS = 4


def run(options: Options) -> None:
    """Fill, measure in turns, let sixteen claim at once, print."""
    began = time.monotonic()
    cases = build(options.sizes)
    say(
        f"PostgreSQL {databases.version()}; {len(cases)} databases filled in {time.monotonic() - began:.0f} s"
    )
    meter = measure(cases, quick=options.quick)
    say(f"Measured on {os.cpu_count()} cores at a load of {os.getloadavg()[1]:.1f}")
    print_operations(meter, cases)
    if options.explain:
        say(plan_of_claim(cases[-1]))
    workers, claims = (QUICK_WORKERS, QUICK_CLAIMS) if options.quick else (fill.WORKERS, CLAIMS)
    raced = race(cases[-1], workers=workers, at_least=claims)
    print_race(raced, cases[-1])
    print_sixty_pools(meter, cases)
    warm = race(cases[-1], workers=workers, at_least=claims, warm=[WARM])
    print_race(warm, f"{cases[-1]}, each with {WARM} warm")
    json_line(figures(meter, cases, raced, warm))


def build(sizes: tuple[int, ...]) -> list[str]:
    """A database for each backlog, and one more for each with as many finished jobs behind them."""
    cases = []
    for size in sizes:
        name = f"{size:,} queued"
        databases.create(name, template=databases.BASE)
        use(name)
        fill.queued(size)
        cases.append(name)
        if size:
            both = f"{size:,} queued, {size:,} finished"
            databases.create(both, template=name)
            use(both)
            fill.finished(size)
            cases.append(both)
    return cases


def measure(cases: list[str], *, quick: bool) -> Meter:
    """Every operation of every case, the cases in turns, so that a busy machine slows all alike."""
    meter = Meter()
    cycles = [Cycle(case) for case in cases]
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for cycle in cycles:
            use(cycle.case)
            for _ in range(QUICK_CYCLES if quick else WARMING_CYCLES):
                cycle.run(meter.counting(cycle.case))
            for _ in range(QUICK_CYCLES if quick else CYCLES):
                cycle.run(meter.timing(cycle.case))
    use(cycles[0].case)
    meter.callback_queries = {n: cycles[0].callback_queries(n) for n in (1, 3, 6)}
    for cycle in cycles:
        cycle.close()
    return meter


def print_operations(meter: Meter, cases: list[str]) -> None:
    for operation, floor in OPERATIONS.items():
        rows = [_row(meter, operation, floor, case, cases[0]) for case in cases]
        head = ["backlog", "ms", "by hand, ms", "ratio to hand", "ratio to empty", "queries"]
        table(operation, head, rows)


def _row(meter: Meter, operation: str, floor: str, case: str, empty: str) -> list[str]:
    ours, by_hand = meter.median_ms(operation, case), meter.median_ms(floor, case)
    return [
        case,
        f"{ours:.2f}",
        f"{by_hand:.2f}",
        f"{ours / by_hand:.2f}",
        f"{ours / meter.median_ms(operation, empty):.2f}",
        meter.queries_of(operation, case),
    ]


def print_sixty_pools(meter: Meter, cases: list[str]) -> None:
    """What a worker with models pays for offering six times as many pools."""
    floors = ("claim (10 pools offered)", f"{IN_FULL}, 60 pools")
    rows = [
        [
            case,
            *(
                f"{meter.median_ms('claim (60 pools offered)', case) / meter.median_ms(each, case):.2f}"
                for each in floors
            ),
        ]
        for case in cases
    ]
    table("a claim with 60 pools offered", ["backlog", "ratio to 10 pools", "ratio to hand in full"], rows)


def print_race(raced: Race, case: str) -> None:
    rows = [
        ["claims", str(raced.claims)],
        ["claims a second", f"{raced.claims / raced.seconds:.0f}"],
        ["jobs claimed twice", str(raced.duplicates)],
        ["claims until the newcomer was served", str(raced.newcomer_claims)],
        ["bound: active owners + workers", str(raced.newcomer_bound)],
        ["jobs from behind it claimed before it", str(raced.overtakers)],
    ]
    if raced.warm_claims:
        rows[4][0] = "bound: jobs before it + 33 for each worker"
        rows.insert(1, ["of a warm pool", f"{raced.warm_claims / raced.claims:.0%}"])
    table(f"{raced.workers} claimers at once, {case}", ["", ""], rows)


def figures(meter: Meter, cases: list[str], raced: Race, warm: Race) -> dict[str, object]:
    """The JSON line. Ratios are the worse of the largest backlog with and without finished jobs behind it."""
    empty, largest = cases[0], cases[-2:]
    claim, of_sixty = "claim (10 pools offered)", "claim (60 pools offered)"

    def worst(operation: str, floor: str) -> float:
        return round(max(meter.median_ms(operation, c) / meter.median_ms(floor, c) for c in largest), 2)

    def undisturbed(operation: str, floor: str) -> float:
        pairs = ((meter.undisturbed_ms(operation, c), meter.undisturbed_ms(floor, c)) for c in largest)
        return round(max(ours / by_hand for ours, by_hand in pairs), 2)

    def growth(operation: str) -> float:
        most = max(meter.median_ms(operation, case) for case in largest)
        return round(most / meter.median_ms(operation, empty), 2)

    return {
        "bench": "queue",
        "largest_backlog": cases[-1],
        "claim_ratio_1m_to_empty": growth(claim),
        "claim_60_pools_ratio_to_empty": growth(of_sixty),
        "claim_60_pools_ratio_to_10_pools": worst(of_sixty, claim),
        "claim_60_pools_ratio_to_same_statements_by_hand": worst(of_sixty, f"{IN_FULL}, 60 pools"),
        "claim_ratio_to_bare_sql": worst(claim, OPERATIONS[claim]),
        "claim_ratio_to_same_statements_by_hand": worst(claim, IN_FULL),
        "claim_ratio_to_same_statements_undisturbed": undisturbed(claim, IN_FULL),
        "duplicate_claims": raced.duplicates,
        "newcomer_claims": raced.newcomer_claims,
        "newcomer_bound": raced.newcomer_bound,
        "duplicate_claims_warm": warm.duplicates,
        "newcomer_claims_warm": warm.newcomer_claims,
        "newcomer_bound_warm": warm.newcomer_bound,
        "overtakers_warm": warm.overtakers,
        "share_of_warm_claims": round(warm.warm_claims / warm.claims, 2),
        "callback_queries": meter.callback_queries,
        "ratio_to_empty": {operation: growth(operation) for operation in OPERATIONS},
        "ratio_to_bare_sql_undisturbed": {
            operation: undisturbed(operation, floor) for operation, floor in OPERATIONS.items()
        },
        "ratio_to_bare_sql": {operation: worst(operation, floor) for operation, floor in OPERATIONS.items()},
        "median_ms": meter.medians(),
        "queries": meter.all_queries(),
    }
