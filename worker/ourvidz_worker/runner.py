"""The worker's main loop: leases a job, runs it, leases the next."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event

from ourvidz_worker import __version__, log
from ourvidz_worker.client import LEASE_WAIT_S, Server, backoff
from ourvidz_worker.engines.base import Engine
from ourvidz_worker.engines.pools import pool_of
from ourvidz_worker.errors import (
    EngineBroken,
    Halted,
    MalformedLease,
    ServerRefused,
    ServerUnavailable,
    WorkerDisabled,
    WorkerError,
)
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.offers import Models, NoModels, Offers
from ourvidz_worker.pool_guard import OWN_FAULTS, PoolGuard
from ourvidz_worker.protocol import Job
from ourvidz_worker.session import Session
from ourvidz_worker.spool import Spool
from ourvidz_worker.spool_recovery import recover_spool
from ourvidz_worker.terminal import progress_bar

MAX_ENGINE_FAILURES = 3


class ShutDown(BaseException):
    """Raised by `stop` inside a long poll, which nothing else would interrupt."""


class Runner:
    """`stop` may be called from a signal handler of the thread that is inside `run`."""

    def __init__(
        self,
        server: Server,
        engine: Engine,
        spool: Spool | None = None,
        health: WorkerHealth | None = None,
        guard: PoolGuard | None = None,
        models: Models | None = None,
        exit_when_idle: float | None = None,
    ) -> None:
        self._server = server
        self._health = health or WorkerHealth()
        self._guard = guard or PoolGuard()
        server.on_contact = self._health.set_connected
        self._spool = spool
        self._engine = engine
        self._models = models or NoModels()
        self._models.loading = self._loading_in_job
        self._offers = Offers(engine, self._guard, self._health, self._models)
        self._stopping = Event()
        self._halted = Event()
        self._is_interruptible = False  # in a long poll or loading weights: `stop` then raises ShutDown
        self._connected = False
        self._exit_when_idle = exit_when_idle  # seconds
        self._idle_since = 0.0
        self._engine_failures = 0  # jobs in a row in which the engine raised an exception
        self._undelivered_jobs = 0  # jobs in a row that the server refused

    def stop(self) -> None:
        """Ends `run`: at once while it waits for a job, else after it has released its job."""
        self._stopping.set()
        self._halted.set()
        if self._is_interruptible:
            raise ShutDown

    def run(self) -> None:
        """Runs until `stop`, or until it has been idle for as long as it was told.

        Raises TokenRefused or ServerRefused when leasing can never work, EngineUnusable or EngineBroken when
        the engine cannot work.
        """
        try:
            self._load()
            log.event(
                "ready", engine=self._engine.name, serves=",".join(self._engine.serves), version=__version__
            )
            try:
                self._work()
            finally:
                self._leave()
                self._unload()
        except ShutDown:
            self._is_interruptible = False
        log.event("stopped")

    def _leave(self) -> None:
        self._is_interruptible = False
        if self._connected:
            with suppress(WorkerError):
                self._server.leave(self._offers.none())

    def _load(self) -> None:
        with self._loading():
            self._engine.load()

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """Lets `stop` interrupt what loads weights between two jobs."""
        self._health.set_activity("loading")
        self._is_interruptible = True
        try:
            self._raise_if_stopping()
            yield
        finally:
            self._is_interruptible = False
        self._health.set_activity("idle")

    @contextmanager
    def _loading_in_job(self) -> Iterator[None]:
        """Lets `stop` interrupt the loading of another model; the job is released then. Raises Halted."""
        self._is_interruptible = True
        try:
            self._raise_if_stopping()
            yield
        except ShutDown:
            raise Halted from None
        finally:
            self._is_interruptible = False

    def _work(self) -> None:
        failures = 0
        self._idle_since = time.monotonic()
        while not self._stopping.is_set():
            try:
                if self._spool is not None:
                    recover_spool(self._server, self._spool, self._stopping)
                self._retry_models()
                job = self._poll()
            except Halted:
                continue
            except (ServerUnavailable, ServerRefused, MalformedLease) as error:
                if isinstance(error, ServerRefused) and not self._is_temporary(error):
                    raise
                failures = self._back_off(error, failures)
                continue
            failures = 0
            if job is not None:
                self._run_job(job)
                self._idle_since = time.monotonic()
            elif self._idle_seconds_left() <= 0:
                log.event("idle", seconds=round(time.monotonic() - self._idle_since))
                return

    def _retry_models(self) -> None:
        if self._models.is_retry_due:
            with self._loading():
                self._models.retry()

    def _idle_seconds_left(self) -> float:
        """Until this worker has been without a job for so long that it is to exit."""
        if self._exit_when_idle is None:
            return math.inf
        return self._exit_when_idle - (time.monotonic() - self._idle_since)

    def _poll(self) -> Job | None:
        self._is_interruptible = True
        try:
            self._raise_if_stopping()
            # The first request does not wait: its response shows that the address and the token are right.
            wait_s = max(0.0, min(LEASE_WAIT_S, self._idle_seconds_left())) if self._connected else 0.0
            job = self._lease(wait_s)
        finally:
            self._is_interruptible = False
        if not self._connected:
            self._connected = True
            log.event("connected")
        return job

    def _lease(self, wait_s: float) -> Job | None:
        """Asks again without what an older server refused as an unknown field."""
        while True:
            offer = self._offers.current()
            try:
                job = self._server.lease(offer, wait_s, self._on_lease_response)
            except ServerRefused as refused:
                if not self._offers.refused(offer, refused):
                    raise
            else:
                self._offers.answered(offer)
                return job
            self._is_interruptible = True
            self._raise_if_stopping()

    def _raise_if_stopping(self) -> None:
        """Handles a stop that came while nothing could be interrupted."""
        if self._stopping.is_set():
            raise ShutDown

    def _on_lease_response(self) -> None:
        self._is_interruptible = False

    def _is_temporary(self, refused: ServerRefused) -> bool:
        """Whether to retry a refusal. A disabled worker may be enabled again. Once connected, the address is
        right: a 404 then comes from a proxy whose server is being replaced. A 403 or 422 will not change."""
        if isinstance(refused, WorkerDisabled):
            return True
        return self._connected and refused.status not in (403, 422)

    def _back_off(self, error: ServerUnavailable | ServerRefused | MalformedLease, failures: int) -> int:
        retry_after = error.retry_after if isinstance(error, ServerUnavailable) else None
        if isinstance(error, ServerUnavailable):
            self._offers.server_was_away()
        delay = max(backoff(failures), retry_after or 0.0)
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
        with progress_bar(job) as update_bar:

            def on_progress(share: float, stage: str) -> None:
                self._health.record_progress((share, stage))
                update_bar(share, stage)

            if self._spool is not None:
                self._spool.note_lease(job)
            ending = session.run(on_progress)
            if self._spool is not None:
                self._spool.forget_lease()
        seconds = time.monotonic() - started
        self._health.set_activity("idle")
        self._health.record_job(ending, seconds)
        log.event("job_ended", job_id=job.id, ending=ending, seconds=round(seconds, 2))
        self._guard_pool(job, session)
        self._engine_failures = self._engine_failures + 1 if session.engine_error else 0
        self._undelivered_jobs = self._undelivered_jobs + 1 if ending == "undeliverable" else 0
        if session.engine_error and not self._stopping.is_set():
            self._restart_engine(session.engine_error)
        if failures_in_a_row := max(self._engine_failures, self._undelivered_jobs):
            self._stopping.wait(backoff(failures_in_a_row))

    def _guard_pool(self, job: Job, session: Session) -> None:
        """A job that was stopped, or failed for a reason of its own, says nothing about its pool."""
        if session.results:
            self._guard.record_result(pool_of(job))
        elif len(session.errors) == len(job.slots) and OWN_FAULTS.issuperset(e.code for e in session.errors):
            error = session.errors[-1]
            reason = session.engine_error or error.for_operator
            self._guard.record_fault(pool_of(job), job.id, f"{error.code}: {reason}")

    def _restart_engine(self, reason: str) -> None:
        """Reloads the engine: after an error a GPU may fail until its memory, or the process, is new."""
        if self._engine_failures >= MAX_ENGINE_FAILURES:
            raise EngineBroken(
                f"the engine failed {MAX_ENGINE_FAILURES} jobs in a row, the last with {reason}"
            )
        if not self._unload():
            raise EngineBroken(f"the engine cannot be unloaded after {reason}")
        self._load()

    def _unload(self) -> bool:
        try:
            self._engine.unload()
        except Exception as error:  # noqa: BLE001 a broken GPU may fail even this
            log.event("unload_failed", **log.describe_error(error))
            return False
        return True
