"""The first seconds of a worker with a GPU engine, in which its libraries are imported."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.test_runner import wait_for


@pytest.mark.parametrize("library", ["libtorch", "yaml", "charset_normalizer"])
def test_a_signal_while_libraries_are_imported_ends_in_good_order(tmp_path: Path, library: str) -> None:
    """The lazy imports of diffusers make a RuntimeError of what is raised inside them."""
    options = [
        "--server",
        "http://127.0.0.1:9",
        "--token",
        "ovw_x",
        "--engine",
        "sdxl",
        "--model",
        "/nowhere",
    ]
    command = [sys.executable, "-m", "ourvidz_worker", "run", "--spool", str(tmp_path), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        wait_for(lambda: library in maps.read_text(), seconds=120)
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        assert process.stderr is not None
        assert (status, process.stderr.read()) == (0, "")
