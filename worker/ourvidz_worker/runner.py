"""The worker's life: lease a job, run it, lease the next."""

from __future__ import annotations

import time
from threading import Event

from ourvidz_worker import __version__, log
from ourvidz_worker.client import LEASE_WAIT_S, Server, backoff
from ourvidz_worker.engines.base import Engine
from ourvidz_worker.errors import (
    EngineBroken,
    Halted,
    MalformedLease,
    ServerRefused,
    ServerUnavailable,
    WorkerDisabled,
)
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.protocol import Job, Offer
from ourvidz_worker.session import Session
from ourvidz_worker.spool import Spool
from ourvidz_worker.spool_recovery import recover_spool
from ourvidz_worker.terminal import bar

MOST_FAULTS = 3


class ShutDown(BaseException):
    """Raised by `stop` into a long poll, which nothing else would wake."""


class Runner:
    """`stop` may be called from a signal handler of the thread that is inside `run`."""

    def __init__(
        self, server: Server, engine: Engine, spool: Spool | None = None, health: WorkerHealth | None = None
    ) -> None:
        self._server = server
        self._health = health or WorkerHealth()
        server.on_contact = self._health.set_connected
        self._spool = spool
        self._engine = engine
        self._stopping = Event()
        self._halted = Event()
        self._holds_nothing = False  # in a long poll or loading weights: nothing else would wake either
        self._connected = False
        self._faults = 0  # jobs in a row with which the engine broke down
        self._undelivered = 0  # jobs in a row that the server would not have

    def stop(self) -> None:
        """Ends the life: a waiting worker at once, a working one after it gave its job back."""
        self._stopping.set()
        self._halted.set()
        if self._holds_nothing:
            raise ShutDown

    def run(self) -> None:
        """Until `stop`. Raises TokenRefused or ServerRefused when leasing can never work, EngineUnusable
        or EngineBroken when the engine cannot."""
        try:
            self._load()
            log.event(
                "ready", engine=self._engine.name, serves=",".join(self._engine.serves), version=__version__
            )
            try:
                self._work()
            finally:
                self._unload()
        except ShutDown:
            self._holds_nothing = False
        log.event("stopped")

    def _load(self) -> None:
        self._health.set_activity("loading")
        self._holds_nothing = True
        try:
            self._heed_stop()
            self._engine.load()
        finally:
            self._holds_nothing = False
        self._health.set_activity("idle")

    def _work(self) -> None:
        engine = self._engine
        offer = Offer(engine.serves, engine.pools, engine.name, __version__, engine.device)
        failures = 0
        while not self._stopping.is_set():
            try:
                if self._spool is not None:
                    recover_spool(self._server, self._spool, self._stopping)
                job = self._poll(offer)
            except Halted:
                continue
            except (ServerUnavailable, ServerRefused, MalformedLease) as error:
                if isinstance(error, ServerRefused) and not self._may_pass(error):
                    raise
                failures = self._wait_out(error, failures)
                continue
            failures = 0
            if job is not None:
                self._run_job(job)

    def _poll(self, offer: Offer) -> Job | None:
        self._holds_nothing = True
        try:
            self._heed_stop()
            # The first call does not wait: its answer says that the server and the token are right.
            wait_s = LEASE_WAIT_S if self._connected else 0.0
            job = self._server.lease(offer, wait_s, self._hold)
        finally:
            self._holds_nothing = False
        if not self._connected:
            self._connected = True
            log.event("connected")
        return job

    def _heed_stop(self) -> None:
        """Of a moment in which nobody could break in."""
        if self._stopping.is_set():
            raise ShutDown

    def _hold(self) -> None:
        self._holds_nothing = False

    def _may_pass(self, refused: ServerRefused) -> bool:
        """Who is disabled may be enabled again. Once connected, the address is right: a 404 then comes from
        a proxy whose server is being replaced. A worker that is not understood will never be."""
        if isinstance(refused, WorkerDisabled):
            return True
        return self._connected and refused.status not in (403, 422)

    def _wait_out(self, error: ServerUnavailable | ServerRefused | MalformedLease, failures: int) -> int:
        asked = error.retry_after if isinstance(error, ServerUnavailable) else None
        delay = max(backoff(failures), asked or 0.0)
        log.event("lease_failed", reason=str(error), again_in_s=round(delay, 1))
        self._stopping.wait(delay)
        return failures + 1

    def _run_job(self, job: Job) -> None:
        log.event(
            "job_leased", job_id=job.id, job_type=job.job_type, attempt=job.attempt, slots=len(job.slots)
        )
        started = time.monotonic()
        self._halted = Event()
        if self._stopping.is_set():
            self._halted.set()
        self._health.set_activity("delivering")
        session = Session(self._server, self._engine, job, self._halted, self._spool, self._health)
        with bar(job) as shown:

            def watch(share: float, stage: str) -> None:
                self._health.record_progress((share, stage))
                shown(share, stage)

            ending = session.run(watch)
        seconds = time.monotonic() - started
        self._health.set_activity("idle")
        self._health.record_job(ending, seconds)
        log.event("job_ended", job_id=job.id, ending=ending, seconds=round(seconds, 2))
        self._faults = self._faults + 1 if session.engine_fault else 0
        self._undelivered = self._undelivered + 1 if ending == "undeliverable" else 0
        if session.engine_fault and not self._stopping.is_set():
            self._start_engine_anew(session.engine_fault)
        if failed := max(self._faults, self._undelivered):
            self._stopping.wait(backoff(failed))

    def _start_engine_anew(self, reason: str) -> None:
        """A GPU that has failed once may serve no more until its memory, or the process, is a new one."""
        if self._faults >= MOST_FAULTS:
            raise EngineBroken(f"the engine failed {MOST_FAULTS} jobs in a row, the last with {reason}")
        if not self._unload():
            raise EngineBroken(f"the engine cannot be unloaded after {reason}")
        self._load()

    def _unload(self) -> bool:
        try:
            self._engine.unload()
        except Exception as error:  # noqa: BLE001 a spoilt GPU may refuse even this
            log.event("unload_failed", **log.describe_error(error))
            return False
        return True
