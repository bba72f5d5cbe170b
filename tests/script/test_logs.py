"""The log files of what `script/server` runs: followed line by line, rotated by size while written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# The writer keeps its file open, as a web server does.
FOLLOW = """
import os, sys
sys.path.insert(0, "script")
from children import Follower
from pathlib import Path
log = Path(sys.argv[1])
follower = Follower(log, max_bytes=20_000, files=int(sys.argv[2]))
writer = os.open(log, os.O_WRONLY | os.O_APPEND)
for burst in range(40):
    written = [f"line {burst} {number} {'x' * 80}" for number in range(50)]
    os.write(writer, "".join(f"{line}\\n" for line in written).encode())
    assert follower.lines() == written
"""


@pytest.mark.parametrize(("files", "kept"), [(0, {"web.log"}), (2, {"web.log", "web.log.1", "web.log.2"})])
def test_a_log_is_rotated_by_size_while_it_is_written(tmp_path: Path, files: int, kept: set[str]) -> None:
    """A process that logs 242 KB a second must not fill the disk; the terminal loses no line."""
    log = tmp_path / "web.log"
    command = [sys.executable, "-c", FOLLOW, str(log), str(files)]
    subprocess.run(command, cwd=REPO, check=True, env={"PATH": os.environ["PATH"]})
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert all(path.stat().st_size < 30_000 for path in tmp_path.iterdir())
    assert not log.read_bytes().startswith(b"\0")


def test_a_log_that_an_earlier_release_left_long_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"old\n" * 10_000)
    command = [sys.executable, "-c", FOLLOW, str(log), "1"]
    subprocess.run(command, cwd=REPO, check=True, env={"PATH": os.environ["PATH"]})
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 60_000
