"""One leased job, from its references to its last callback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from threading import Event
from typing import Any

from ourvidz_worker import __version__, log
from ourvidz_worker.callbacks import completed_asset, failed_asset, rejections
from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import NULL_PREVIEWS, Engine, FinishedSlot, Previews, Result
from ourvidz_worker.engines.pools import pool_of
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

ProgressCallback = Callable[[float, str], None]


def _ignore_progress(share: float, stage: str) -> None:
    """For callers that show no progress."""


class Session:
    """Ends early once `halted` is set: by a cancel, a lost lease or a shutdown.

    `engine_error`: the class and message of the exception that the engine raised, if it did. `results`: how
    many the engine made; `errors`: those of the slots that it did not make.
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
        self.engine_error = ""
        self.results = 0
        self.errors: list[AssetError] = []
        self._server = server
        self._engine = engine
        self._job = job
        self._halted = halted
        self._spool = spool
        self._health = health or WorkerHealth()
        self._spooled: set[int] = set()  # numbers of the slots in the spool
        self._unfinished = {slot.number: slot for slot in job.slots}  # used by the engine's thread
        self._unreported = dict(self._unfinished)  # used by the upload thread
        self._on_progress: ProgressCallback = _ignore_progress
        self._engine_metadata: Mapping[str, object] = {}
        self._delivered = 0
        self._seconds: dict[str, float] = {}
        self._previews: Previews = NULL_PREVIEWS
        self._heartbeat = Heartbeat(server, job, halted, self._health.is_stuck)

    def run(self, on_progress: ProgressCallback = _ignore_progress) -> str:
        """Delivers the job or releases it; returns its ending as one word, for logs and metrics."""
        self._on_progress = on_progress
        limits = self._job.preview
        previews = PreviewSender(self._server, self._job, limits) if limits else nullcontext(NULL_PREVIEWS)
        with self._heartbeat, previews as self._previews:
            return self._run()

    def _run(self) -> str:
        try:
            return self._deliver_all()
        except Halted:
            return self._handle_halt()
        except LeaseLost:
            return self._drop("lease_lost")
        except (ServerUnavailable, ServerRefused) as error:
            return self._handle_delivery_error(error)
        except TokenRefused:
            raise
        except Exception as error:  # noqa: BLE001 one job must not end the worker; its lease runs out
            log.event("session_failed", job_id=self._job.id, **self._describe_error(error))
            return "undeliverable"

    def _handle_delivery_error(self, error: ServerUnavailable | ServerRefused) -> str:
        log.event("delivery_failed", job_id=self._job.id, reason=str(error))
        if isinstance(error, WorkerDisabled):
            return self._release("disabled")
        if isinstance(error, ServerRefused):
            # The lease expires. Releasing the job would cost no attempt, and the same would happen for ever.
            return self._drop("undeliverable")
        if self._spooled:  # delivered first when the server is back; then the job is released
            return "undeliverable"
        return self._release("undeliverable")

    def _handle_halt(self) -> str:
        stop_reason = self._heartbeat.stop_reason
        if stop_reason == "token_refused":  # spooled results stay: the token may become valid again
            raise TokenRefused("the server refused this worker's token")
        return self._drop(stop_reason) if stop_reason else self._release("released")

    def _describe_error(self, error: Exception) -> dict[str, str]:
        metadata: Mapping[str, object] = {}
        with suppress(Exception):  # a broken engine may raise here too
            metadata = self._engine.job_metadata(self._job)
        enhanced = str(metadata.get("enhanced_prompt", ""))
        return log.describe_error(error, self._job.prompt, self._job.negative_prompt, enhanced)

    def _deliver_all(self) -> str:
        queue = UploadQueue(self._deliver, self._halted)
        started = time.monotonic()
        try:
            for finished in self._finished_slots():
                self._add_time("drawing", started)
                del self._unfinished[finished.slot.number]
                self._count(finished.outcome)
                if not self._unfinished:
                    self._engine_metadata = self._engine.job_metadata(self._job)
                    self._heartbeat.set_stage("uploading")
                queue.add(self._pending_upload(finished))
                del finished  # frees its memory while the next one is generated
                started = time.monotonic()
        finally:
            self._health.set_activity("delivering")
            queue.finish()
        return "completed" if self._delivered else "failed"

    def _count(self, outcome: Result | AssetError) -> None:
        if isinstance(outcome, AssetError):
            self.errors.append(outcome)
        else:
            self.results += 1

    def _pending_upload(self, finished: FinishedSlot) -> PendingUpload:
        slot, outcome = finished.slot, finished.outcome
        if isinstance(outcome, AssetError):
            return PendingUpload(finished, b"")
        if self._spool is None:
            return PendingUpload(finished, outcome.media)
        asset = completed_asset(slot, outcome, "")
        try:
            file = self._spool.keep(self._job, slot.number, outcome.content_type, asset, outcome.media)
        except OSError as error:  # then it is delivered from memory; only a restart would lose it
            log.event("spool_failed", job_id=self._job.id, reason=error.strerror)
            return PendingUpload(finished, outcome.media)
        self._spooled.add(slot.number)
        return PendingUpload(FinishedSlot(slot, replace(outcome, media=b"")), file)

    def _delete_spooled(self, *slots: int) -> None:
        if self._spool is not None:
            self._spool.delete(self._job, *slots)
        self._spooled -= set(slots)

    def _drop(self, ending: str) -> str:
        """Deletes the job's spooled results: the server will not take them any more."""
        self._delete_spooled(*(slot.number for slot in self._job.slots))
        return ending

    def _deliver(self, pending: PendingUpload) -> None:
        """Delivers nothing after a cancel; during a shutdown finished slots are delivered without retries."""
        if self._heartbeat.stop_reason is not None:
            raise Halted
        started = time.monotonic()
        asset = self._asset_entry(pending)
        self._add_time("uploading", started)
        slot = pending.finished.slot
        self._report(slot, asset)
        self._delete_spooled(slot.number)

    def _finished_slots(self) -> Iterator[FinishedSlot]:
        """Yields the engine's slots, then a failure for each slot that it did not yield."""
        failure = AssetError("not_generated", "The engine ended without this result.", retryable=True)
        if unsupported := self._unsupported_references():
            yield from self._failed_slots(unsupported)
            return
        try:
            job = replace(self._job, references=self._download_references())
        except (LeaseLost, WorkerDisabled):
            raise
        except ServerRefused as refused:
            yield from self._failed_slots(AssetError("reference_missing", str(refused), retryable=True))
            return
        self._health.set_activity("working")
        try:
            yield from self._engine.generate(job, self._progress, self._halted.is_set, self._previews)
        except Halted:
            raise
        except Exception as error:  # noqa: BLE001 an engine may raise anything; the slots say so
            described = self._describe_error(error)
            log.event("engine_failed", job_id=self._job.id, **described)
            self.engine_error = f"{described['error']}: {described['message']}"
            message = f"The engine failed: {type(error).__name__}."
            failure = AssetError("engine_error", message, retryable=True)
        yield from self._failed_slots(failure)

    def _progress(self, share: float, stage: str) -> None:
        self._on_progress(share, stage)
        self._heartbeat.update(share, stage, next(iter(self._unfinished), None))

    def _unsupported_references(self) -> AssetError | None:
        """The error of a job whose references this worker did not offer; it is not generated without them."""
        types = [each.type for each in self._job.references]
        if not types or pool_of(self._job) in self._engine.pools:
            return None
        message = f"This worker cannot use {' and '.join(sorted(types))} references for this job type."
        return AssetError("reference_unsupported", message, retryable=True)

    def _download_references(self) -> tuple[Reference, ...]:
        """The references with their files: a job is never generated without its references."""
        return tuple(
            replace(each, content=self._server.reference(each.url, halted=self._halted))
            for each in self._job.references
        )

    def _failed_slots(self, error: AssetError) -> Iterator[FinishedSlot]:
        for slot in list(self._unfinished.values()):
            yield FinishedSlot(slot, error)

    def _asset_entry(self, pending: PendingUpload) -> dict[str, Any]:
        """Uploads a slot's file; returns the slot's entry for the callback."""
        slot, outcome = pending.finished.slot, pending.finished.outcome
        if isinstance(outcome, AssetError):
            return self._failed_entry(slot, outcome)
        try:
            upload = self._upload(pending, outcome.content_type)
        except OSError as error:
            message = f"The worker cannot read the result that it kept: {error.strerror}."
            upload = Upload("", AssetError("spool_failed", message, retryable=True))
        if upload.error:
            return self._failed_entry(slot, upload.error)
        return completed_asset(slot, outcome, upload.upload_id)

    def _failed_entry(self, slot: Slot, error: AssetError) -> dict[str, Any]:
        log.event(
            "slot_failed", job_id=self._job.id, slot=slot.number, code=error.code, reason=error.for_operator
        )
        return failed_asset(slot, error)

    def _upload(self, pending: PendingUpload, content_type: str) -> Upload:
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
        del self._unreported[slot.number]
        is_completed = asset["status"] == "completed"
        self._delivered += is_completed
        response = self._server.report(self._job, self._callback(asset), halted=self._halted)
        for code, reason in rejections(response):
            log.event("asset_rejected", job_id=self._job.id, slot=slot.number, code=code, reason=reason)
            self._delivered = max(0, self._delivered - is_completed)

    def _callback(self, asset: dict[str, Any]) -> dict[str, Any]:
        status: CallbackStatus = "processing"
        metadata: Mapping[str, object] = {}
        if not self._unreported:
            status = "completed" if self._delivered else "failed"
            metadata = self._metadata()
        error = asset["error"]["message"] if status == "failed" else ""
        return {"status": status, "assets": [asset], "error_message": error, "metadata": metadata}

    def _metadata(self) -> Mapping[str, object]:
        return {
            "engine": self._engine.name,
            "version": __version__,
            "seconds": {stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
            **self._engine_metadata,
        }

    def _add_time(self, stage: str, since: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - since

    def _release(self, ending: str) -> str:
        try:
            self._server.release(self._job)
        except (LeaseLost, ServerUnavailable, ServerRefused) as error:
            log.event("release_failed", job_id=self._job.id, reason=str(error))
            return ending
        return self._drop(ending)


def _too_large(message: str) -> Upload:
    return Upload("", AssetError("too_large", message, retryable=False))
