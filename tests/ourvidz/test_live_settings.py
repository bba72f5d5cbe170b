"""What open pages may take: nonsense stops the start with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database

REPO = Path(__file__).resolve().parents[2]
SHOW = "from ourvidz import settings; print(settings.LIVE_THREADS)"


def started(data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that reads the settings and prints LIVE_THREADS."""
    variables = {"PATH": os.environ["PATH"], "DATA_DIR": str(data), **environment}
    return subprocess.run(
        [sys.executable, "-c", SHOW], cwd=REPO, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("threads", "pool", "sentence"),
    [
        (
            "10",
            "10",
            "LIVE_THREADS=10 is not a whole number from 1 to 9 (64; with PostgreSQL one less than ",
        ),
        ("4", "3", "LIVE_THREADS=4 is not a whole number from 1 to 2 ("),
        ("0", "10", "LIVE_THREADS=0 is not a whole number from 1 to 9 ("),
    ],
)
def test_threads_that_would_hold_every_connection_stop_the_start(
    tmp_path: Path, threads: str, pool: str, sentence: str
) -> None:
    found = started(tmp_path, DATABASE_URL="postgres://h/n", LIVE_THREADS=threads, DATABASE_POOL=pool)
    assert found.returncode != 0
    assert sentence in found.stderr


@pytest.mark.parametrize(("pool", "threads"), [("10", "4"), ("3", "2"), ("1", "1")])
def test_by_default_they_leave_connections_to_others(tmp_path: Path, pool: str, threads: str) -> None:
    """A small pool was fine before there was such a rule."""
    found = started(tmp_path, DATABASE_URL="postgres://h/n", DATABASE_POOL=pool)
    assert found.stdout.strip() == threads, found.stderr


def test_sqlite_has_no_pool_that_they_could_empty(tmp_path: Path) -> None:
    assert started(tmp_path, LIVE_THREADS="16").stdout.strip() == "16"
