"""Keeps a lease alive while the engine draws, and carries progress one way and a cancel the other."""

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

News = tuple[int, str, int | None]  # progress in percent, stage, number of the slot that is being made
QUICKEST_S = 0.5  # at most two beats a second, however fast the progress moves
LONGEST_REST_S = 5.0  # a beat also brings a cancel, and a step may take long


class Heartbeat:
    """Sets `halted` when the job is ours no more, with a `verdict`: cancelled, lease_lost, disabled or
    token_refused.

    When the engine `is_stuck`, nothing in this process can stop it: the process ends, so that somebody else
    gets the job, and whoever watches over it starts a new one.
    """

    def __init__(self, server: Server, job: Job, halted: Event, is_stuck: Callable[[], bool]) -> None:
        self.verdict: str | None = None
        self._server = server
        self._job = job
        self._halted = halted
        self._is_stuck = is_stuck
        self._done = Event()
        self._news: News = (0, "starting", None)
        self._tells_slot = True
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=QUICKEST_S)

    def progress(self, share: float, stage: str, slot: int | None) -> None:
        """`share` of the whole job, 0..1; never goes back, and keeps 100 for the server to say."""
        self._news = (max(self._news[0], min(99, int(share * 100))), stage, slot)

    def enter(self, stage: str) -> None:
        self._news = (self._news[0], stage, None)

    def _beat(self) -> None:
        sent: News | None = None
        due = 0.0
        rest = min(self._job.heartbeat_seconds, LONGEST_REST_S)
        while not self._done.is_set():  # told to stop, it may still deliver
            if self._is_stuck():  # and the engine does not hear of a verdict
                log.event("engine_stuck", job_id=self._job.id, stage=self._news[1])
                os._exit(1)
            news = self._news
            if self.verdict is None and (news != sent or time.monotonic() >= due):
                self._send(*news)
                sent, due = news, time.monotonic() + rest
            self._done.wait(QUICKEST_S)

    def _send(self, progress: int, stage: str, slot: int | None) -> None:
        try:
            if not self._renewed(progress, stage, slot):
                self._end("cancelled")
        except LeaseLost:
            self._end("lease_lost")
        except TokenRefused:
            self._end("token_refused")
        except WorkerDisabled:
            self._end("disabled")
        except Halted:
            return
        except (ServerUnavailable, ServerRefused) as error:
            log.event("heartbeat_failed", job_id=self._job.id, reason=str(error))

    def _renewed(self, progress: int, stage: str, slot: int | None) -> bool:
        """A server that does not know what a slot is for is told no more of them."""
        told = slot if self._tells_slot else None
        try:
            return self._server.heartbeat(self._job, progress, stage, told, halted=self._done)
        except ServerRefused as refused:
            if told is None or refused.status != 422:
                raise
            self._tells_slot = False
            return self._server.heartbeat(self._job, progress, stage, halted=self._done)

    def _end(self, verdict: str) -> None:
        self.verdict = verdict
        self._halted.set()
