"""What commands do with their process: exit codes, signals, the environment of libraries."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from ourvidz_worker import log

EXIT_FAILURE, EXIT_USAGE = 1, 2


def configure_libraries(*, only_sketches: bool, allow_download: bool) -> None:
    """Sets the environment variables that libraries read when they are imported; captures their warnings."""
    log.capture_warnings()
    if only_sketches:
        # It draws one picture at a time: threads of a BLAS would only take memory.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    elif not allow_download:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


def stop_on_signals(stop: Callable[[], None]) -> None:
    """The first signal stops gracefully, the second at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        stop()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handle)


def exit_while_importing() -> None:
    """No job is leased yet. An exception would be raised inside an import, which may make an error of it."""
    os._exit(0)


def fail(message: str, status: int = EXIT_USAGE) -> int:
    sys.stderr.write(f"ourvidz-worker: {message}\n")
    return status
