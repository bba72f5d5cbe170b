"""`manage.py maintain` as a process: what its loop survives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.functional.programs import REPO, Program


def test_the_loop_survives_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    """What the drivers raise for that is neither an OperationalError nor an InterfaceError."""
    (tmp_path / "db.sqlite3").write_bytes(b"no database at all" * 100)
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
    command = [sys.executable, str(REPO / "manage.py"), "maintain"]
    chores = Program(command, tmp_path / "log", environment)
    try:
        assert chores.wait_for("chores.database_away", times=2)["error"] == "DatabaseError"
        assert chores.is_running
    finally:
        chores.kill()
