"""A worker's own measurements: the first estimate of its pace, until real jobs were measured."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from generation.models import Worker, WorkerSpeed
from generation.queue.estimates import queue_positions
from generation.queue.speeds import record_run, run_times
from tests.factories import make_job
from tests.generation.worker_api.conftest import Machine


def send(machine: Machine, seconds: Any, **more: Any) -> Any:
    return machine.post("benchmark", {"seconds": seconds, **more})


def pace_of(machine: Machine, job_type: str = "sdxl_image_fast") -> tuple[float, int, float | None]:
    pace = WorkerSpeed.objects.get(worker=machine.worker, job_type=job_type)
    return pace.seconds, pace.samples, pace.benchmark


def test_a_benchmark_is_the_first_estimate(machine: Machine, owner: User) -> None:
    machine.lease()  # it is alive, and offers what it can
    job = make_job(owner, quantity=3)
    before = queue_positions([job])[job.pk].done_in

    answer = send(machine, {"sdxl_image_fast": 40.5}, version="1.2", device="NVIDIA H100")

    assert (answer.status_code, answer.content) == (204, b"")
    assert pace_of(machine) == (40.5, 0, 40.5)
    assert (before, queue_positions([job])[job.pk].done_in) == (15, 122)
    worker = Worker.objects.get()
    assert worker.benchmarked_with == "1.2, NVIDIA H100"
    assert worker.benchmarked_at is not None


def test_the_first_real_job_takes_its_place_and_it_is_still_shown(machine: Machine) -> None:
    send(machine, {"sdxl_image_fast": 40})
    record_run(worker=machine.worker, job_type="sdxl_image_fast", seconds=60, slots=6)
    assert pace_of(machine) == (10, 1, 40)
    record_run(worker=machine.worker, job_type="sdxl_image_fast", seconds=120, slots=6)
    seconds, samples, benchmark = pace_of(machine)
    assert seconds == pytest.approx(13)
    assert (samples, benchmark) == (2, 40)


def test_a_benchmark_does_not_undo_what_real_jobs_told(machine: Machine) -> None:
    record_run(worker=machine.worker, job_type="sdxl_image_fast", seconds=60, slots=6)
    send(machine, {"sdxl_image_fast": 40, "image_fast": 30})
    assert pace_of(machine) == (10, 1, 40)
    assert pace_of(machine, "image_fast") == (30, 0, 30)


def test_the_last_of_two_benchmarks_counts(machine: Machine) -> None:
    for seconds in (40, 20):
        send(machine, {"sdxl_image_fast": seconds})
    assert pace_of(machine) == (20, 0, 20)


def test_a_benchmark_speaks_for_its_own_worker_alone(machine: Machine, other: Machine) -> None:
    """pitfall 33"""
    send(machine, {"sdxl_image_fast": 40})
    send(other, {"sdxl_image_fast": 10})
    assert (pace_of(machine)[0], pace_of(other)[0]) == (40, 10)
    times = run_times([machine.worker.pk, other.worker.pk])
    assert times.seconds(machine.worker.pk, "sdxl_image_fast", 2) == 80
    assert times.seconds(other.worker.pk, "sdxl_image_fast", 2) == 20
    assert times.seconds(None, "sdxl_image_fast", 2) == pytest.approx(50), "of one that is not known"


@pytest.mark.parametrize(
    ("seconds", "field"),
    [
        ({}, "seconds"),
        ([], "seconds"),
        ("x", "seconds"),
        (None, "seconds"),
        ({"sdxl": 5}, "seconds.sdxl"),
        ({"sdxl_image_fast": 5, "no such": 5}, "seconds.no such"),
        ({"sdxl_image_fast": 0}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": -1}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": 86_401}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": 10**400}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": True}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": "5"}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": None}, "seconds.sdxl_image_fast"),
        ({"sdxl_image_fast": [5]}, "seconds.sdxl_image_fast"),
    ],
)
def test_nonsense_is_named_and_nothing_is_kept(machine: Machine, seconds: Any, field: str) -> None:
    answer = send(machine, seconds)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not WorkerSpeed.objects.exists()


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_numbers_that_are_none_are_refused(machine: Machine, number: str) -> None:
    body = '{"seconds": {"sdxl_image_fast": NUMBER}}'.replace("NUMBER", number)
    url = "/api/v1/worker/benchmark"
    answer = machine.http.generic("POST", url, body, content_type="application/json")
    assert answer.status_code == 422
    assert not WorkerSpeed.objects.exists()


@pytest.mark.parametrize(
    ("more", "field"),
    [({"version": "x" * 121}, "version"), ({"device": 5}, "device"), ({"pools": []}, "pools")],
)
def test_a_malformed_body_names_its_field(machine: Machine, more: dict[str, Any], field: str) -> None:
    answer = send(machine, {"sdxl_image_fast": 5}, **more)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not WorkerSpeed.objects.exists()
