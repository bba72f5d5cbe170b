"""A machine with nothing but an enrolment token: it becomes a worker, works, and ends by itself."""

from __future__ import annotations

import sys
from pathlib import Path

from generation.models import Job, Worker, WorkerToken
from tests.functional.installation import Installation
from tests.functional.programs import Program, eventually


def start(live: Installation, token: str, name: str) -> Program:
    command = [str(Path(sys.executable).parent / "ourvidz-worker"), "run", "--server", live.address]
    state = live.data / "rented"
    environment = live.environment | {
        "OURVIDZ_ENROLMENT_TOKEN": token,
        "OURVIDZ_WORKER_EXIT_WHEN_IDLE": "1",
        "OURVIDZ_WORKER_INTERRUPTIBLE": "true",
        "XDG_STATE_HOME": str(state),
    }
    program = Program(command, live.data / f"{name}.log", environment)
    live.programs.append(program)
    return program


def test_it_enrols_works_and_comes_back_as_the_same(live: Installation) -> None:
    """No step by hand on the machine; two starts use up one enrolment."""
    token, trouble = live.manage(
        "create_enrolment", "cloud", "--engines", "sdxl,wan", "--uses", "1"
    ).communicate()
    assert token.startswith("ove_"), trouble
    person = live.person()
    job = person.submit()
    machine = start(live, token.strip(), "cloud-first")
    eventually(lambda: not machine.is_running)
    assert machine.process.returncode == 0, machine.log.read_text()
    assert Job.objects.get(pk=job).status == "completed"
    worker = Worker.objects.get(enrolment__name="cloud")
    assert (worker.name, worker.interruptible) == ("cloud 1", True)
    assert WorkerToken.objects.get(worker=worker).expires_at is not None

    again = person.submit()
    machine = start(live, token.strip(), "cloud-second")
    eventually(lambda: not machine.is_running)
    assert machine.process.returncode == 0, machine.log.read_text()
    assert Job.objects.get(pk=again).status == "completed"
    assert Worker.objects.filter(enrolment__name="cloud").count() == 1
