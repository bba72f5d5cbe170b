"""The benchmarks run, and say what they promise; no figure of time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# 15 s on an idle machine; it shares this one with the rest of the tests.
pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]

REPO = Path(__file__).resolve().parents[2]
IMAGES = 6


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """The JSON lines of one small run of both, by benchmark."""
    command = [sys.executable, "-m", "bench", "queue", "legacy", "--quick", "--sizes", "0,200"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["bench"]: line for line in lines}


def test_the_queue_benchmark_gives_every_figure(figures: dict[str, Any]) -> None:
    """Pitfalls 12, 13: no job is claimed twice, and a newcomer is not starved."""
    queue = figures["queue"]

    assert {"claim_ratio_1m_to_empty", "claim_ratio_to_bare_sql", "median_ms"} <= set(queue)
    assert queue["duplicate_claims"] == 0
    assert 1 <= queue["newcomer_claims"] <= queue["newcomer_bound"]
    assert queue["duplicate_claims_warm"] == 0
    assert 1 <= queue["newcomer_claims_warm"] <= queue["newcomer_bound_warm"]


def test_a_callback_takes_as_many_queries_for_one_image_as_for_six(figures: dict[str, Any]) -> None:
    counts = figures["queue"]["callback_queries"]

    assert set(counts) == {"1", "3", "6"}
    assert len(set(counts.values())) == 1


def test_queries_do_not_grow_with_the_backlog(figures: dict[str, Any]) -> None:
    queries = figures["queue"]["queries"]

    assert all("–" not in count for name, count in queries.items() if not name.startswith("callback"))


def test_a_record_per_asset_loses_and_doubles_nothing(figures: dict[str, Any]) -> None:
    """Pitfalls 1, 2, 5, 14, 15, on both patterns under the same faults."""
    legacy = figures["legacy"]
    ours, old = legacy["ours"], legacy["old"]

    assert ours["expected"] == old["expected"] == ours["jobs"] * IMAGES
    assert ours["lost"] > 0
    assert ours["doubled"] > 0
    wrong = ("missing", "duplicates", "orphans", "placeholders_left", "linked_to_another_job", "unfinished")
    assert {name: ours[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert old["missing"] == old["lost"] * IMAGES
    assert old["placeholders_left"] > 0


def test_the_overhead_benchmark_gives_every_part() -> None:
    command = [sys.executable, "-m", "bench", "overhead", "--quick"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    overhead = json.loads(done.stdout.splitlines()[-1])

    assert {"encode the PNG", "keep it on disk", "upload", "callback"} <= set(overhead["parts_ms"])
    assert overhead["engine_waits_when_uploads_are_slow_ms"] < 400, "an upload takes 500 ms more there"


def test_the_live_benchmark_loses_and_doubles_nothing() -> None:
    """Pitfalls 22, 23, 49, over real sockets."""
    command = [sys.executable, "-m", "bench", "live", "--quick"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    live = json.loads(done.stdout.splitlines()[-1])

    assert {"fanout_last_to_first", "p95_ms", "cpu_ms_per_update"} <= set(live)
    assert [case["updates"] for case in live["cases"].values()] == [2, 6, 4]
    assert (live["lost"], live["doubled"]) == (0, 0)


def test_estimates_are_closer_than_those_before() -> None:
    """Pitfall 32. Two small fleets; the whole of it is `script/bench estimates`."""
    command = [sys.executable, "-m", "bench", "estimates", "--quick"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    estimates = json.loads(done.stdout.splitlines()[-1])

    assert estimates["median_relative_error"] < 0.25
    assert estimates["median_relative_error"] < estimates["median_of_the_estimates_before"]
    assert estimates["estimates"] > 50
    assert estimates["without_an_estimate"] == 0
    for reading in estimates["readings"]:
        assert (reading["positions_queries"], reading["forecast_queries"]) == (5, 10), reading


def test_the_siege_says_what_each_attack_took_from_honest_callers() -> None:
    """Pitfall 40. Two attacks that are cheap, the one known by its effect and the one by its count."""
    command = [sys.executable, "-m", "bench", "siege", "--quick", "--attacks", "head,unknown"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    siege = json.loads(done.stdout.splitlines()[-1])

    assert {"peak_mb", "honest_p95_ratio", "honest_failures"} <= set(siege)
    assert list(siege["attacks"]) == ["undisturbed", "head", "unknown"]
    assert all(attack["calls"] > 0 < attack["peak_mb"] for attack in siege["attacks"].values())
    assert siege["attacks"]["unknown"]["seen"]
    assert siege["honest_failures"] == 0
