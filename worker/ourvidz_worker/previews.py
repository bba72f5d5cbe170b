"""Small pictures of what is being made, sent beside the work: nothing waits for one or fails by one."""

from __future__ import annotations

import io
import time
from queue import SimpleQueue
from threading import Thread
from types import TracebackType

from PIL import Image

from ourvidz_worker import log
from ourvidz_worker.client import Server
from ourvidz_worker.engines.base import Pixels
from ourvidz_worker.errors import ServerAway, WorkerError
from ourvidz_worker.protocol import Job, PreviewTerms

QUALITIES = (80, 60, 40, 20)  # of a JPEG, tried until it is small enough


class PreviewSender:
    """An engine's `Previews`: at most one on its way, any other is dropped meanwhile.

    A server that refuses one gets no more of this job; one that is away or busy misses this one.
    """

    def __init__(self, server: Server, job: Job, terms: PreviewTerms) -> None:
        self._server = server
        self._job = job
        self._terms = terms
        self._due = time.monotonic() + terms.every_seconds
        self._is_busy = False
        self._is_over = False
        self._outgoing: SimpleQueue[tuple[int, Pixels] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="previews", daemon=True)

    def __enter__(self) -> PreviewSender:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Does not wait for the one on its way: the job does not need it any more."""
        self._is_over = True
        self._outgoing.put(None)

    def is_due(self) -> bool:
        return not (self._is_busy or self._is_over) and time.monotonic() >= self._due

    def show(self, slot: int, picture: Pixels) -> None:
        if self._is_busy or self._is_over:
            return
        self._is_busy = True
        self._due = time.monotonic() + self._terms.every_seconds
        self._outgoing.put((slot, picture))

    def _run(self) -> None:
        while (shown := self._outgoing.get()) is not None:
            try:
                self._send(*shown)
            except Exception as error:  # noqa: BLE001 a job is never worse off for its previews
                self._end(error)
            self._is_busy = False

    def _send(self, slot: int, picture: Pixels) -> None:
        content = small_jpeg(picture, self._terms)
        if content is None or self._is_over:
            return
        try:
            self._server.preview(self._job, slot, content, "image/jpeg")
        except ServerAway:  # also: too many of them
            return

    def _end(self, error: Exception) -> None:
        if self._is_over:  # with its job, while this one was on its way
            return
        self._is_over = True
        reason = str(error) if isinstance(error, WorkerError) else type(error).__name__
        log.event("previews_ended", job_id=self._job.id, reason=reason)


def small_jpeg(picture: Pixels, terms: PreviewTerms) -> bytes | None:
    """Within the terms; None where even the coarsest is too large."""
    image = Image.fromarray(picture)
    image.thumbnail((terms.max_side, terms.max_side))
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        if file.tell() <= terms.max_bytes:
            return file.getvalue()
    return None
