"""One leased job, from the first stroke to the last callback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from threading import Event
from typing import Any

from ourvidz_worker import __version__
from ourvidz_worker.client import Server
from ourvidz_worker.deliveries import Deliveries, Parcel
from ourvidz_worker.engines.base import NOBODY_LOOKS, Engine, FinishedSlot, Previews, Result
from ourvidz_worker.engines.pools import with_references
from ourvidz_worker.errors import Halted, LeaseLost, ServerAway, ServerRefused, WorkerDisabled
from ourvidz_worker.heartbeat import Heartbeat
from ourvidz_worker.journal import say
from ourvidz_worker.previews import PreviewSender
from ourvidz_worker.protocol import AssetError, CallbackStatus, Job, Reference, Slot, Upload
from ourvidz_worker.spool import Kept, Spool

HTTP_FAULT = 500  # of the server's program, while 502 to 504 speak of an outage

Watch = Callable[[float, str], None]


def _unwatched(share: float, stage: str) -> None:
    """Nobody looks."""


class Session:
    """`halted` ends everything early, whoever sets it: a cancel, a lost lease, a shutdown."""

    def __init__(
        self, server: Server, engine: Engine, job: Job, halted: Event, spool: Spool | None = None
    ) -> None:
        self._server = server
        self._engine = engine
        self._job = job
        self._halted = halted
        self._spool = spool
        self._unmade = {slot.number: slot for slot in job.slots}  # the engine's thread
        self._open = dict(self._unmade)  # the deliveries' thread
        self._watch: Watch = _unwatched
        self._about: Mapping[str, object] = {}
        self._delivered = 0
        self._seconds: dict[str, float] = {}
        self._previews: Previews = NOBODY_LOOKS
        self._heartbeat = Heartbeat(server, job, halted)

    def run(self, watch: Watch = _unwatched) -> str:
        """Delivers the job or gives it back; a word for what became of it. `watch` sees what moves."""
        self._watch = watch
        terms = self._job.preview
        looking = PreviewSender(self._server, self._job, terms) if terms else nullcontext(NOBODY_LOOKS)
        with self._heartbeat, looking as self._previews:
            return self._ending()

    def _ending(self) -> str:
        try:
            return self._deliver_all()
        except Halted:
            verdict = self._heartbeat.verdict
            return self._forgotten(verdict) if verdict else self._give_back("released")
        except LeaseLost:
            return self._forgotten("lease_lost")
        except (ServerAway, ServerRefused) as error:
            say("delivery_failed", job_id=self._job.id, reason=str(error))
            if isinstance(error, ServerAway) and self._spool is not None:
                return "undeliverable"  # what is kept goes first when the server is back, then the job
            return self._give_back("undeliverable")

    def _deliver_all(self) -> str:
        deliveries = Deliveries(self._deliver, self._halted)
        mark = time.monotonic()
        try:
            for finished in self._finished_slots():
                self._count("drawing", mark)
                del self._unmade[finished.slot.number]
                if not self._unmade:
                    self._about = self._engine.job_metadata(self._job)
                    self._heartbeat.enter("uploading")
                deliveries.add(self._parcel(finished))
                del finished  # while the next one is made, this one need not fill memory
                mark = time.monotonic()
        finally:
            deliveries.finish()
        return "completed" if self._delivered else "failed"

    def _parcel(self, finished: FinishedSlot) -> Parcel:
        slot, outcome = finished.slot, finished.outcome
        if isinstance(outcome, AssetError):
            return Parcel(finished, b"")
        if self._spool is None:
            return Parcel(finished, outcome.media)
        asset = _completed(slot, outcome, "")
        try:
            file = self._spool.keep(self._job, slot.number, outcome.content_type, asset, outcome.media)
        except OSError as error:  # delivered from memory then; only a restart would lose it
            say("spool_failed", job_id=self._job.id, reason=error.strerror)
            return Parcel(finished, outcome.media)
        return Parcel(FinishedSlot(slot, replace(outcome, media=b"")), file)

    def _forget(self, *slots: int) -> None:
        if self._spool is not None:
            self._spool.drop(self._job, *slots)

    def _forgotten(self, ending: str) -> str:
        """Nobody will take what is left of a job that is not ours any more."""
        self._forget(*(slot.number for slot in self._job.slots))
        return ending

    def _deliver(self, parcel: Parcel) -> None:
        """After a cancel nothing more goes out; told to stop, what is made still does, if at once."""
        if self._heartbeat.verdict is not None:
            raise Halted
        mark = time.monotonic()
        asset = self._asset(parcel)
        self._count("uploading", mark)
        slot = parcel.finished.slot
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
        except ServerRefused as refused:
            yield from self._failures(AssetError("reference_missing", str(refused), retryable=True))
            return
        try:
            yield from self._engine.generate(job, self._progress, self._halted.is_set, self._previews)
        except Halted:
            raise
        except Exception as error:  # noqa: BLE001 an engine may raise anything; the slots say so
            say("engine_failed", job_id=self._job.id, error=type(error).__name__)
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
        message = f"This worker cannot go by {' and '.join(sorted(types))} here."
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

    def _asset(self, parcel: Parcel) -> dict[str, Any]:
        """The callback's entry for a slot, its file uploaded."""
        slot, outcome = parcel.finished.slot, parcel.finished.outcome
        if isinstance(outcome, AssetError):
            return _failed(slot, outcome)
        try:
            upload = self._uploaded(parcel, outcome.content_type)
        except OSError as error:
            message = f"The worker cannot read the result that it kept: {error.strerror}."
            upload = Upload("", AssetError("spool_failed", message, retryable=True))
        return _failed(slot, upload.error) if upload.error else _completed(slot, outcome, upload.upload_id)

    def _uploaded(self, parcel: Parcel, content_type: str) -> Upload:
        limit = self._job.max_upload_bytes
        if limit is not None and parcel.size > limit:
            return _too_large(f"{parcel.size} bytes; {limit} are allowed.")
        slot = parcel.finished.slot.number
        try:
            return self._server.upload(self._job, slot, parcel.media, content_type, halted=self._halted)
        except ServerRefused as refused:
            if refused.status != 413:
                raise
            return _too_large("The server takes no file of this size.")

    def _report(self, slot: Slot, asset: dict[str, Any]) -> None:
        del self._open[slot.number]
        self._delivered += asset["status"] == "completed"
        verdict = self._server.report(self._job, self._callback(asset), halted=self._halted)
        for refused in verdict.get("rejected", ()):
            say("asset_rejected", job_id=self._job.id, slot=slot.number, code=refused.get("code"))

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
        except (LeaseLost, ServerAway, ServerRefused) as error:
            say("release_failed", job_id=self._job.id, reason=str(error))
            return ending
        return self._forgotten(ending)


def deliver_kept(server: Server, kept: Kept, halted: Event) -> None:
    """What an earlier session could not deliver; the job goes back for the slots that it still lacks.

    Raises ServerAway, WorkerDisabled or TokenRefused; anything else means that nobody wants it: it is
    dropped.
    """
    try:
        upload = server.upload(kept, kept.slot, kept.media, kept.content_type, halted=halted)
        asset = kept.asset | {"upload_id": upload.upload_id}
        if upload.error is None:
            server.report(kept, {"status": "processing", "assets": [asset]}, halted=halted)
        say("spooled_result_delivered", job_id=kept.id, slot=kept.slot)
    except WorkerDisabled:
        raise
    except (LeaseLost, ServerRefused, OSError) as error:
        say("spooled_result_dropped", job_id=kept.id, slot=kept.slot, reason=str(error))
    except ServerAway as away:
        if away.status != HTTP_FAULT:
            raise
        server.greet()  # raises where it fails over everything; else one result must not stop all work
        say("spooled_result_dropped", job_id=kept.id, slot=kept.slot, reason=str(away))
    kept.drop()


def _too_large(message: str) -> Upload:
    return Upload("", AssetError("too_large", message, retryable=False))


def _completed(slot: Slot, result: Result, upload_id: str) -> dict[str, Any]:
    return {
        "image_index": slot.image_index,
        "status": "completed",
        "upload_id": upload_id,
        "seed": slot.seed,
        "width": result.width,
        "height": result.height,
        "duration": result.duration,
        "metadata": dict(result.metadata),
        "error": None,
    }


def _failed(slot: Slot, error: AssetError) -> dict[str, Any]:
    return {
        "image_index": slot.image_index,
        "status": "failed",
        "upload_id": None,
        "seed": slot.seed,
        "width": None,
        "height": None,
        "duration": None,
        "metadata": {},
        "error": error.body(),
    }
