"""The first seconds of a worker with a GPU engine, in which its libraries are imported."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.worker.test_runner import wait_for


def test_a_signal_while_torch_is_imported_ends_in_good_order(tmp_path: Path) -> None:
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
        wait_for(lambda: list(tmp_path.glob("*/run-*")), seconds=60)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
