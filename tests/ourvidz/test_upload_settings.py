"""The bounds of bodies: nonsense stops the start with a sentence, and one alone takes the others along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database

SHOW = "from ourvidz import settings as s; print(s.UPLOAD_BYTES_PER_CALLER, s.UPLOAD_BYTES_IN_FLIGHT)"
MEGABYTE = 1024 * 1024


def started(data: Path, **environment: int) -> subprocess.CompletedProcess[str]:
    given = {name: str(value) for name, value in environment.items()}
    command = [sys.executable, "-c", SHOW]
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), **given}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MAX_BODY_BYTES": 65535}, "MAX_BODY_BYTES"),
        ({"MAX_BODY_BYTES": 16 * MEGABYTE + 1}, "MAX_BODY_BYTES"),
        ({"UPLOAD_BYTES_PER_CALLER": 99 * MEGABYTE}, "UPLOAD_BYTES_PER_CALLER"),
        ({"UPLOAD_BYTES_IN_FLIGHT": 255 * MEGABYTE}, "UPLOAD_BYTES_IN_FLIGHT"),
    ],
)
def test_what_would_let_nothing_through_stops_the_start(
    tmp_path: Path, environment: dict[str, int], named: str
) -> None:
    """Pitfall 40: a bound that is none."""
    refused = started(tmp_path, **environment)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"OurVidz: {named}={environment[named]} is not a whole number from ")


def test_a_larger_upload_than_usual_needs_no_other_setting(tmp_path: Path) -> None:
    assert started(tmp_path).stdout.split() == [str(256 * MEGABYTE), str(1024 * MEGABYTE)]
    large = started(tmp_path, MAX_UPLOAD_BYTES=500 * MEGABYTE)
    assert large.stdout.split() == [str(500 * MEGABYTE), str(2000 * MEGABYTE)]
