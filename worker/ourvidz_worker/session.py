"""One leased job, from the first stroke to the last callback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from threading import Event
from typing import Any

from ourvidz_worker import __version__, log
from ourvidz_worker.callbacks import completed, failed, rejections
from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import NULL_PREVIEWS, Engine, FinishedSlot, Previews
from ourvidz_worker.engines.pools import with_references
from ourvidz_worker.errors import (
    Halted,
    LeaseLost,
    ServerRefused,
    ServerUnavailable,
    TokenRefused,
    WorkerDisabled,
)
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.heartbeat import Heartbeat
from ourvidz_worker.previews import PreviewSender
from ourvidz_worker.protocol import AssetError, CallbackStatus, Job, Reference, Slot, Upload
from ourvidz_worker.spool import Spool
from ourvidz_worker.upload_queue import PendingUpload, UploadQueue

Watch = Callable[[float, str], None]


def _unwatched(share: float, stage: str) -> None:
    """Nobody looks."""


class Session:
    """`halted` ends everything early, whoever sets it: a cancel, a lost lease, a shutdown.

    `engine_fault` says what the engine broke down with, if it did.
    """

    def __init__(
        self,
        server: Server,
        engine: Engine,
        job: Job,
        halted: Event,
        spool: Spool | None = None,
        health: WorkerHealth | None = None,
    ) -> None:
        self.engine_fault = ""
        self._server = server
        self._engine = engine
        self._job = job
        self._halted = halted
        self._spool = spool
        self._health = health or WorkerHealth()
        self._kept: set[int] = set()  # numbers of slots that lie in the spool
        self._unmade = {slot.number: slot for slot in job.slots}  # the engine's thread
        self._open = dict(self._unmade)  # the deliveries' thread
        self._watch: Watch = _unwatched
        self._about: Mapping[str, object] = {}
        self._delivered = 0
        self._seconds: dict[str, float] = {}
        self._previews: Previews = NULL_PREVIEWS
        self._heartbeat = Heartbeat(server, job, halted, self._health.is_stuck)

    def run(self, watch: Watch = _unwatched) -> str:
        """Delivers the job or gives it back; a word for what became of it. `watch` sees what moves."""
        self._watch = watch
        limits = self._job.preview
        looking = PreviewSender(self._server, self._job, limits) if limits else nullcontext(NULL_PREVIEWS)
        with self._heartbeat, looking as self._previews:
            return self._ending()

    def _ending(self) -> str:
        try:
            return self._deliver_all()
        except Halted:
            return self._after_a_halt()
        except LeaseLost:
            return self._forgotten("lease_lost")
        except (ServerUnavailable, ServerRefused) as error:
            return self._undeliverable(error)
        except TokenRefused:
            raise
        except Exception as error:  # noqa: BLE001 one job must not end the worker; its lease runs out
            log.event("session_failed", job_id=self._job.id, **self._fault(error))
            return "undeliverable"

    def _undeliverable(self, error: ServerUnavailable | ServerRefused) -> str:
        log.event("delivery_failed", job_id=self._job.id, reason=str(error))
        if isinstance(error, WorkerDisabled):
            return self._give_back("disabled")
        if isinstance(error, ServerRefused):
            # Its lease runs out. To give it back costs no attempt, and the same would happen for ever.
            return self._forgotten("undeliverable")
        if self._kept:  # it goes first when the server is back, and then the job
            return "undeliverable"
        return self._give_back("undeliverable")

    def _after_a_halt(self) -> str:
        verdict = self._heartbeat.verdict
        if verdict == "token_refused":  # what is kept stays: the token may be given back
            raise TokenRefused("the server refused this worker's token")
        return self._forgotten(verdict) if verdict else self._give_back("released")

    def _fault(self, error: Exception) -> dict[str, str]:
        told: Mapping[str, object] = {}
        with suppress(Exception):  # of an engine that may be able to say nothing any more
            told = self._engine.job_metadata(self._job)
        enhanced = str(told.get("enhanced_prompt", ""))
        return log.describe_error(error, self._job.prompt, self._job.negative_prompt, enhanced)

    def _deliver_all(self) -> str:
        queue = UploadQueue(self._deliver, self._halted)
        mark = time.monotonic()
        try:
            for finished in self._finished_slots():
                self._count("drawing", mark)
                del self._unmade[finished.slot.number]
                if not self._unmade:
                    self._about = self._engine.job_metadata(self._job)
                    self._heartbeat.enter("uploading")
                queue.add(self._pending_upload(finished))
                del finished  # while the next one is made, this one need not fill memory
                mark = time.monotonic()
        finally:
            self._health.set_activity("delivering")
            queue.finish()
        return "completed" if self._delivered else "failed"

    def _pending_upload(self, finished: FinishedSlot) -> PendingUpload:
        slot, outcome = finished.slot, finished.outcome
        if isinstance(outcome, AssetError):
            return PendingUpload(finished, b"")
        if self._spool is None:
            return PendingUpload(finished, outcome.media)
        asset = completed(slot, outcome, "")
        try:
            file = self._spool.keep(self._job, slot.number, outcome.content_type, asset, outcome.media)
        except OSError as error:  # delivered from memory then; only a restart would lose it
            log.event("spool_failed", job_id=self._job.id, reason=error.strerror)
            return PendingUpload(finished, outcome.media)
        self._kept.add(slot.number)
        return PendingUpload(FinishedSlot(slot, replace(outcome, media=b"")), file)

    def _forget(self, *slots: int) -> None:
        if self._spool is not None:
            self._spool.delete(self._job, *slots)
        self._kept -= set(slots)

    def _forgotten(self, ending: str) -> str:
        """Nobody will take what is left of a job that is not ours any more."""
        self._forget(*(slot.number for slot in self._job.slots))
        return ending

    def _deliver(self, pending: PendingUpload) -> None:
        """After a cancel nothing more goes out; told to stop, what is made still does, if at once."""
        if self._heartbeat.verdict is not None:
            raise Halted
        mark = time.monotonic()
        asset = self._asset(pending)
        self._count("uploading", mark)
        slot = pending.finished.slot
        self._report(slot, asset)
        self._forget(slot.number)

    def _finished_slots(self) -> Iterator[FinishedSlot]:
        """The engine's slots, then a failure for each one that it did not deliver."""
        failure = AssetError("not_generated", "The engine ended without this result.", retryable=True)
        if strange := self._strange_references():
            yield from self._failures(strange)
            return
        try:
            job = replace(self._job, references=self._references())
        except (LeaseLost, WorkerDisabled):
            raise
        except ServerRefused as refused:
            yield from self._failures(AssetError("reference_missing", str(refused), retryable=True))
            return
        self._health.set_activity("working")
        try:
            yield from self._engine.generate(job, self._progress, self._halted.is_set, self._previews)
        except Halted:
            raise
        except Exception as error:  # noqa: BLE001 an engine may raise anything; the slots say so
            told = self._fault(error)
            log.event("engine_failed", job_id=self._job.id, **told)
            self.engine_fault = f"{told['error']}: {told['message']}"
            message = f"The engine failed: {type(error).__name__}."
            failure = AssetError("engine_error", message, retryable=True)
        yield from self._failures(failure)

    def _progress(self, share: float, stage: str) -> None:
        self._watch(share, stage)
        self._heartbeat.progress(share, stage, next(iter(self._unmade), None))

    def _strange_references(self) -> AssetError | None:
        """Whoever handed this job out has not looked at what was offered; it is not made without them."""
        types = [each.type for each in self._job.references]
        if not types or with_references([self._job.job_type], *types)[0] in self._engine.pools:
            return None
        message = f"This worker cannot use {' and '.join(sorted(types))} references for this job type."
        return AssetError("reference_unsupported", message, retryable=True)

    def _references(self) -> tuple[Reference, ...]:
        """With their files: a job is never made without what it should go by."""
        return tuple(
            replace(each, content=self._server.reference(each.url, halted=self._halted))
            for each in self._job.references
        )

    def _failures(self, error: AssetError) -> Iterator[FinishedSlot]:
        for slot in list(self._unmade.values()):
            yield FinishedSlot(slot, error)

    def _asset(self, pending: PendingUpload) -> dict[str, Any]:
        """The callback's entry for a slot, its file uploaded."""
        slot, outcome = pending.finished.slot, pending.finished.outcome
        if isinstance(outcome, AssetError):
            return failed(slot, outcome)
        try:
            upload = self._uploaded(pending, outcome.content_type)
        except OSError as error:
            message = f"The worker cannot read the result that it kept: {error.strerror}."
            upload = Upload("", AssetError("spool_failed", message, retryable=True))
        return failed(slot, upload.error) if upload.error else completed(slot, outcome, upload.upload_id)

    def _uploaded(self, pending: PendingUpload, content_type: str) -> Upload:
        limit = self._job.max_upload_bytes
        if limit is not None and pending.size > limit:
            return _too_large(f"{pending.size} bytes; {limit} are allowed.")
        slot = pending.finished.slot.number
        try:
            return self._server.upload(self._job, slot, pending.media, content_type, halted=self._halted)
        except (LeaseLost, WorkerDisabled):
            raise
        except ServerRefused as refused:
            if refused.status == 413:
                return _too_large("The server takes no file of this size.")
            return Upload("", AssetError("refused", f"The file was refused: {refused}.", retryable=True))

    def _report(self, slot: Slot, asset: dict[str, Any]) -> None:
        del self._open[slot.number]
        is_made = asset["status"] == "completed"
        self._delivered += is_made
        verdict = self._server.report(self._job, self._callback(asset), halted=self._halted)
        for code in rejections(verdict):
            log.event("asset_rejected", job_id=self._job.id, slot=slot.number, code=code)
            self._delivered = max(0, self._delivered - is_made)

    def _callback(self, asset: dict[str, Any]) -> dict[str, Any]:
        status: CallbackStatus = "processing"
        metadata: Mapping[str, object] = {}
        if not self._open:
            status = "completed" if self._delivered else "failed"
            metadata = self._metadata()
        error = asset["error"]["message"] if status == "failed" else ""
        return {"status": status, "assets": [asset], "error_message": error, "metadata": metadata}

    def _metadata(self) -> Mapping[str, object]:
        seconds = {stage: round(spent, 3) for stage, spent in self._seconds.items()}
        return {
            "engine": self._engine.name,
            "version": __version__,
            "seconds": seconds,
            **self._about,
        }

    def _count(self, stage: str, since: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - since

    def _give_back(self, ending: str) -> str:
        try:
            self._server.release(self._job)
        except (LeaseLost, ServerUnavailable, ServerRefused) as error:
            log.event("release_failed", job_id=self._job.id, reason=str(error))
            return ending
        return self._forgotten(ending)


def _too_large(message: str) -> Upload:
    return Upload("", AssetError("too_large", message, retryable=False))
