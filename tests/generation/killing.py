"""Doing something in processes that are killed, each a step later than the one before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from django.db import connection

from tests.functional.programs import REPO
from tests.generation.test_operations import database_url

# A step is what happens before or after a statement or the deletion of a file.
PROGRAM = """
import os, signal, sys
import django
django.setup()
from django.core.files.storage import FileSystemStorage
from django.db import connection, transaction
from generation.core.actors import SYSTEM
{act}

left = 0
def step():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def statement(execute, *given):
    step()
    done = execute(*given)
    step()
    return done

delete = FileSystemStorage.delete
def delete_file(self, name):
    step()
    delete(self, name)
    step()
FileSystemStorage.delete = delete_file

for left, target in enumerate(sys.argv[1:]):
    if not os.fork():
        with connection.execute_wrapper(statement):
            act(target)
        os._exit(0)
    _, status = os.wait()
    print("killed" if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status), flush=True)
"""


def kill_at_each_step(act: str, targets: Sequence[str], data: Path) -> int:
    """Run the function `act`, of that source, for each target in a process of its own; how many were killed.

    There must be more targets than steps.
    """
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "ourvidz.settings",
        "DATABASE_URL": database_url(str(connection.settings_dict["NAME"])),
        "DATA_DIR": str(data),
    }
    program = [sys.executable, "-c", PROGRAM.format(act=act), *targets]
    ended = subprocess.run(program, cwd=REPO, env=environment, capture_output=True, text=True, check=True)
    outcomes = ended.stdout.split()
    steps = outcomes.count("killed")
    assert steps < len(targets), "more steps than targets"
    assert outcomes == ["killed"] * steps + ["0"] * (len(targets) - steps), (
        f"{outcomes}\n{ended.stderr[-2000:]}"
    )
    return steps
