"""The worker's life: lease a job, run it, lease the next."""

from __future__ import annotations

import time
from threading import Event

from ourvidz_worker import __version__
from ourvidz_worker.client import Server, backoff
from ourvidz_worker.engines.base import Engine
from ourvidz_worker.errors import Halted, LeaseLost, MalformedLease, ServerAway, ServerRefused, WorkerDisabled
from ourvidz_worker.journal import say
from ourvidz_worker.protocol import Job, Offer
from ourvidz_worker.session import Session, deliver_kept
from ourvidz_worker.spool import Spool
from ourvidz_worker.terminal import bar
from ourvidz_worker.vitals import Vitals


class ShutDown(BaseException):
    """Raised by `stop` into a long poll, which nothing else would wake."""


class Runner:
    """`stop` may be called from a signal handler of the thread that is inside `run`."""

    def __init__(
        self, server: Server, engine: Engine, spool: Spool | None = None, vitals: Vitals | None = None
    ) -> None:
        self._server = server
        self._vitals = vitals or Vitals()
        self._spool = spool
        self._engine = engine
        self._stopping = Event()
        self._halted = Event()
        self._polling = False
        self._connected = False

    def stop(self) -> None:
        """Ends the life: a waiting worker at once, a working one after it gave its job back."""
        self._stopping.set()
        self._halted.set()
        if self._polling:
            raise ShutDown

    def run(self) -> None:
        """Until `stop`. Raises TokenRefused or ServerRefused when leasing can never work, EngineUnusable
        when the engine cannot."""
        self._vitals.turn_to("loading")
        self._engine.load()
        self._vitals.turn_to("idle")
        say("ready", engine=self._engine.name, serves=",".join(self._engine.serves), version=__version__)
        try:
            self._work()
        except ShutDown:
            self._polling = False
        finally:
            self._engine.unload()
        say("stopped")

    def _work(self) -> None:
        engine = self._engine
        offer = Offer(engine.serves, engine.pools, engine.name, __version__, engine.device)
        failures = 0
        while not self._stopping.is_set():
            try:
                self._deliver_spooled()
                job = self._poll(offer)
            except Halted:
                continue
            except (ServerAway, ServerRefused, MalformedLease) as error:
                if isinstance(error, ServerRefused) and not self._may_pass(error):
                    raise
                failures = self._wait_out(error, failures)
                continue
            failures = 0
            self._vitals.heard_from_server(connected=True)
            if job is not None:
                self._run_job(job)

    def _deliver_spooled(self) -> None:
        """First what is made already: the job of a worker that died may still be held for it."""
        jobs = {}
        for kept in self._spool.left() if self._spool else ():
            deliver_kept(self._server, kept, self._stopping)
            jobs[kept.id, kept.lease_token] = kept
        for kept in jobs.values():
            try:
                self._server.release(kept)
            except (LeaseLost, ServerRefused) as error:
                say("release_failed", job_id=kept.id, reason=str(error))

    def _poll(self, offer: Offer) -> Job | None:
        self._polling = True
        try:
            # The first call does not wait: its answer says that the server and the token are right.
            job = self._server.lease(offer) if self._connected else self._server.lease(offer, 0.0)
        finally:
            self._polling = False
        if not self._connected:
            self._connected = True
            say("connected")
        return job

    def _may_pass(self, refused: ServerRefused) -> bool:
        """Who is disabled may be enabled again. Once connected, the address is right: a 404 then comes from
        a proxy whose server is being replaced. A worker that is not understood will never be."""
        if isinstance(refused, WorkerDisabled):
            return True
        return self._connected and refused.status not in (403, 422)

    def _wait_out(self, error: ServerAway | ServerRefused | MalformedLease, failures: int) -> int:
        asked = error.retry_after if isinstance(error, ServerAway) else None
        delay = max(backoff(failures), asked or 0.0)
        self._vitals.heard_from_server(connected=False)
        say("lease_failed", reason=str(error), again_in_s=round(delay, 1))
        self._stopping.wait(delay)
        return failures + 1

    def _run_job(self, job: Job) -> None:
        say("job_leased", job_id=job.id, job_type=job.job_type, attempt=job.attempt, slots=len(job.slots))
        started = time.monotonic()
        self._halted = Event()
        if self._stopping.is_set():
            self._halted.set()
        self._vitals.turn_to("working")
        session = Session(self._server, self._engine, job, self._halted, self._spool)
        with bar(job) as shown:

            def watch(share: float, stage: str) -> None:
                self._vitals.progressed((share, stage))
                shown(share, stage)

            ending = session.run(watch)
        seconds = time.monotonic() - started
        self._vitals.turn_to("idle")
        self._vitals.ended(ending, seconds)
        say("job_ended", job_id=job.id, ending=ending, seconds=round(seconds, 2))
