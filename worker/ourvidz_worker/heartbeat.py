"""Renews a lease while the engine works; sends progress and receives a cancel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

from ourvidz_worker import log
from ourvidz_worker.client import Server
from ourvidz_worker.errors import (
    Halted,
    LeaseLost,
    ServerRefused,
    ServerUnavailable,
    TokenRefused,
    WorkerDisabled,
)
from ourvidz_worker.protocol import Job

Progress = tuple[int, str, int | None]  # percent, stage, number of the slot that is being generated
MIN_INTERVAL_S = 0.5  # at most two heartbeats a second, however often progress is reported
MAX_INTERVAL_S = 5.0  # a heartbeat also receives a cancel, and a step may take long


class Heartbeat:
    """Sets `halted` and a `stop_reason`, one of cancelled, lease_lost, disabled and token_refused.

    When the engine `is_stuck`, nothing in this process can stop it: the process exits, so that another worker
    gets the job and the service manager starts a new process.
    """

    def __init__(self, server: Server, job: Job, halted: Event, is_stuck: Callable[[], bool]) -> None:
        self.stop_reason: str | None = None
        self._server = server
        self._job = job
        self._halted = halted
        self._is_stuck = is_stuck
        self._done = Event()
        self._progress: Progress = (0, "starting", None)
        self._sends_slot = True
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=MIN_INTERVAL_S)

    def update(self, share: float, stage: str, slot: int | None) -> None:
        """`share` of the whole job, 0..1. Progress never decreases; only the server sets 100 percent."""
        self._progress = (max(self._progress[0], min(99, int(share * 100))), stage, slot)

    def set_stage(self, stage: str) -> None:
        self._progress = (self._progress[0], stage, None)

    def _run(self) -> None:
        sent: Progress | None = None
        due = 0.0
        interval = min(self._job.heartbeat_seconds, MAX_INTERVAL_S)
        while not self._done.is_set():  # not `halted`: results may still be delivered after it
            if self._is_stuck():  # also after a stop, which a stuck engine does not notice
                log.event("engine_stuck", job_id=self._job.id, stage=self._progress[1])
                os._exit(1)
            progress = self._progress
            if self.stop_reason is None and (progress != sent or time.monotonic() >= due):
                self._send(*progress)
                sent, due = progress, time.monotonic() + interval
            self._done.wait(MIN_INTERVAL_S)

    def _send(self, percent: int, stage: str, slot: int | None) -> None:
        try:
            if not self._renew_lease(percent, stage, slot):
                self._stop("cancelled")
        except LeaseLost:
            self._stop("lease_lost")
        except TokenRefused:
            self._stop("token_refused")
        except WorkerDisabled:
            self._stop("disabled")
        except Halted:
            return
        except (ServerUnavailable, ServerRefused) as error:
            log.event("heartbeat_failed", job_id=self._job.id, reason=str(error))

    def _renew_lease(self, percent: int, stage: str, slot: int | None) -> bool:
        """Leaves the slot out after a server has refused it as an unknown field."""
        slot_sent = slot if self._sends_slot else None
        try:
            return self._server.heartbeat(self._job, percent, stage, slot_sent, halted=self._done)
        except ServerRefused as refused:
            if slot_sent is None or refused.status != 422:
                raise
            self._sends_slot = False
            return self._server.heartbeat(self._job, percent, stage, halted=self._done)

    def _stop(self, reason: str) -> None:
        self.stop_reason = reason
        self._halted.set()
