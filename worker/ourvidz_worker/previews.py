"""Sends previews in a thread of their own: nothing waits for one, and no job fails because of one."""

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
from ourvidz_worker.errors import ServerUnavailable, WorkerError
from ourvidz_worker.protocol import Job, PreviewLimits

JPEG_QUALITIES = (80, 60, 40, 20)  # tried in this order until the file is small enough


class PreviewSender:
    """Implements an engine's `Previews`: at most one is being sent, others are dropped meanwhile.

    After a refusal it sends no more of this job; if the server is unavailable or busy, this one is lost.
    """

    def __init__(self, server: Server, job: Job, limits: PreviewLimits) -> None:
        self._server = server
        self._job = job
        self._limits = limits
        self._due = time.monotonic() + limits.every_seconds
        self._is_sending = False
        self._is_closed = False
        self._pending: SimpleQueue[tuple[int, Pixels] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="previews", daemon=True)

    def __enter__(self) -> PreviewSender:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Does not wait for the preview that is being sent: the job does not need it any more."""
        self._is_closed = True
        self._pending.put(None)

    def is_due(self) -> bool:
        return not (self._is_sending or self._is_closed) and time.monotonic() >= self._due

    def show(self, slot: int, picture: Pixels) -> None:
        if self._is_sending or self._is_closed:
            return
        self._is_sending = True
        self._due = time.monotonic() + self._limits.every_seconds
        self._pending.put((slot, picture))

    def _run(self) -> None:
        while (pending := self._pending.get()) is not None:
            try:
                self._send(*pending)
            except Exception as error:  # noqa: BLE001 a job is never worse off for its previews
                self._close(error)
            self._is_sending = False

    def _send(self, slot: int, picture: Pixels) -> None:
        content = small_jpeg(picture, self._limits)
        if content is None or self._is_closed:
            return
        try:
            self._server.preview(self._job, slot, content, "image/jpeg")
        except ServerUnavailable:  # or too many previews (429)
            return

    def _close(self, error: Exception) -> None:
        if self._is_closed:  # the job ended while this one was being sent
            return
        self._is_closed = True
        reason = str(error) if isinstance(error, WorkerError) else type(error).__name__
        log.event("previews_ended", job_id=self._job.id, reason=reason)


def small_jpeg(picture: Pixels, limits: PreviewLimits) -> bytes | None:
    """A JPEG within the limits; None if even the lowest quality is too large."""
    image = Image.fromarray(picture)
    image.thumbnail((limits.max_side, limits.max_side))
    for quality in JPEG_QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        if file.tell() <= limits.max_bytes:
            return file.getvalue()
    return None
