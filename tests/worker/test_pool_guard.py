"""A worker whose faults are its own withdraws from what it cannot do, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ourvidz_worker.engines.base import FinishedSlot, ReportProgress
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.pool_guard import FIRST_PAUSE_S, MAX_PAUSE_S, NO_POOLS, PoolGuard
from ourvidz_worker.protocol import AssetError, Job
from tests.worker.protocol_server import ProtocolServer, job_body
from tests.worker.scripted import ScriptedEngine, finished
from tests.worker.test_faults import events
from tests.worker.test_runner import callbacks, wait_for, working

POOL, OTHER = "sdxl_image_fast", "sdxl_image_high"
NOT_A_PICTURE = AssetError("not_a_picture", "Invalid numbers.", True, "Try --precision float32.")
REASON = "not_a_picture: Invalid numbers. Try --precision float32."


def jobs(*types: str) -> list[dict[str, Any]]:
    return [job_body(slots=2) | {"job_id": f"job-{n}", "job_type": each} for n, each in enumerate(types)]


def failing(*pools: str, error: AssetError = NOT_A_PICTURE) -> Callable[..., Iterator[FinishedSlot]]:
    def script(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        for slot in job.slots:
            yield FinishedSlot(slot, error) if job.job_type in pools else finished(slot)

    return script


def offers(server: ProtocolServer) -> list[dict[str, Any]]:
    return [request.json for request in server.seen("/lease")]


@contextmanager
def done(server: ProtocolServer, engine: ScriptedEngine, **more: Any) -> Iterator[None]:
    """A worker that has ended every job and asked for another."""
    with working(server, engine, **more):
        wait_for(lambda: len(engine.jobs) and not server.jobs)
        asked = len(server.seen("/lease"))
        wait_for(lambda: len(server.seen("/lease")) > asked)
        yield


def test_after_three_jobs_without_a_picture_it_offers_the_pool_no_more(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pitfall 46: pictures of invalid numbers failed six jobs in a second. What else it can do goes on."""
    server.jobs += jobs(POOL, POOL, OTHER, POOL, OTHER)
    health = WorkerHealth()
    with done(server, ScriptedEngine(failing(POOL)), health=health):
        assert health.snapshot()[1]["withdrawn"] == {POOL: REASON}
        assert "ourvidz_worker_withdrawn_pools 1\n" in health.metrics()
    before, after, leaving = offers(server)[0], *offers(server)[-2:]
    assert "withdrawn" not in before
    assert leaving["pools"] == ["none"]
    assert set(before["pools"]) - set(after["pools"]) == {POOL}
    assert after["withdrawn"] == [{"pool": POOL, "reason": REASON}]
    offered = [POOL in each["pools"] for each in offers(server)]
    assert offered[:5] == [True, True, True, True, False], "until the third failure"
    (line,) = events(capsys.readouterr().err, "pool_withdrawn")
    assert (line["pool"], line["reason"], line["again_in_s"]) == (POOL, REASON, FIRST_PAUSE_S)


@pytest.mark.parametrize(
    ("code", "is_own"),
    [
        ("out_of_memory", True),
        ("not_a_picture", True),
        ("unsupported_size", False),
        ("reference_unreadable", False),
        ("reference_missing", False),
    ],
)
def test_only_faults_of_its_own_count(server: ProtocolServer, code: str, is_own: bool) -> None:
    server.jobs += jobs(POOL, POOL, POOL)
    with done(server, ScriptedEngine(failing(POOL, error=AssetError(code, "No.", True)))):
        assert (POOL not in offers(server)[-1]["pools"]) == is_own


def test_errors_of_the_engine_count_too_while_other_pools_succeed(server: ProtocolServer) -> None:
    """Three in a row end the process; with good jobs of another pool between them they never did."""

    def script(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        if job.job_type == POOL:
            raise RuntimeError("no kernel image")
        yield from (finished(slot) for slot in job.slots)

    server.jobs += jobs(POOL, OTHER, POOL, OTHER, POOL, OTHER)
    with done(server, ScriptedEngine(script)):
        (withdrawn,) = offers(server)[-1]["withdrawn"]
    assert withdrawn == {"pool": POOL, "reason": "engine_error: RuntimeError: no kernel image"}


def test_one_picture_between_them_starts_the_count_anew(server: ProtocolServer) -> None:
    answers = iter([NOT_A_PICTURE, NOT_A_PICTURE, None, NOT_A_PICTURE, NOT_A_PICTURE])

    def script(job: Job, report_progress: ReportProgress) -> Iterator[FinishedSlot]:
        error = next(answers)
        yield FinishedSlot(job.slots[0], NOT_A_PICTURE)
        yield FinishedSlot(job.slots[1], error) if error else finished(job.slots[1])

    server.jobs += jobs(POOL, POOL, POOL, POOL, POOL)
    with done(server, ScriptedEngine(script)):
        assert POOL in offers(server)[-1]["pools"]
    assert len(callbacks(server)) == 10


def test_a_job_that_comes_again_counts_once(server: ProtocolServer) -> None:
    """It may be the job that is too large: then it is no reason to refuse the others."""
    server.jobs += jobs(POOL, POOL)[:1] * 4
    with done(server, ScriptedEngine(failing(POOL))):
        assert POOL in offers(server)[-1]["pools"]


def test_a_server_that_does_not_know_the_field_is_not_told(server: ProtocolServer) -> None:
    """An older server answers 422 to it, which would end the worker."""
    server.jobs += jobs(POOL, POOL, POOL)
    for _ in range(3):
        server.script("POST /lease", 200, server.jobs.pop(0))
    server.script("POST /lease", 422, {"errors": {"withdrawn": ["There is no such field."]}})
    with working(server, ScriptedEngine(failing(POOL))):
        wait_for(lambda: len(offers(server)) > 5)
    assert ["withdrawn" in each for each in offers(server)[:6]] == [False] * 3 + [True, False, False]
    assert all(POOL not in each["pools"] for each in offers(server)[3:])


def test_it_offers_nothing_when_nothing_is_left(server: ProtocolServer) -> None:
    """An empty list would offer everything."""

    class OnePool(ScriptedEngine):
        pools = (POOL,)

    server.jobs += jobs(POOL, POOL, POOL)
    with done(server, OnePool(failing(POOL))):
        assert offers(server)[-1]["pools"] == list(NO_POOLS)


def test_it_tries_again_by_itself_each_time_later(
    server: ProtocolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One more failure is enough then, and one picture is enough to be as before."""
    first, second, third, trial, good, late = jobs(*[POOL] * 6)
    server.jobs += [first, second, third]
    broken = [POOL]
    engine = ScriptedEngine(lambda job, report_progress: failing(*broken)(job, report_progress))
    guard = PoolGuard(first_pause_s=0.5)
    with done(server, engine, guard=guard):
        assert guard.withdrawn() == {POOL: REASON}
        wait_for(lambda: POOL in offers(server)[-1]["pools"])
        server.jobs.append(trial)
        wait_for(lambda: len(engine.jobs) == 4 and guard.withdrawn())
        broken.clear()
        wait_for(lambda: POOL in offers(server)[-1]["pools"])
        server.jobs.append(good)
        wait_for(lambda: len(engine.jobs) == 5)
        broken.append(POOL)
        server.jobs.append(late)
        wait_for(lambda: len(engine.jobs) == 6)
        asked = len(server.seen("/lease"))
        wait_for(lambda: len(server.seen("/lease")) > asked)
        assert POOL in offers(server)[-1]["pools"]
    logged = capsys.readouterr().err
    assert [each["again_in_s"] for each in events(logged, "pool_withdrawn")] == [0.5, 1.0]
    assert len(events(logged, "pool_recovered")) == 1


def test_the_pauses_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    guard = PoolGuard()
    for number in range(60):
        guard.record_fault(POOL, f"job-{number}", REASON)
    pauses = [each["again_in_s"] for each in events(capsys.readouterr().err, "pool_withdrawn")]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert max(pauses) == pauses[-1] == MAX_PAUSE_S
