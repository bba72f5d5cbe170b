"""The decoding processes of this process: started at the first need, reused, replaced when they die.

They are not trusted: what they answer is bounded here and checked by `measure`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from generation.core.errors import DecoderUnavailable, TooManyDecodes
from generation.media import messages
from generation.media.formats import MAX_THUMBNAIL_BYTES, BrokenMedia
from generation.media.turns import FairSemaphore, NoTurn

log = structlog.get_logger("ourvidz.decoder")
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60  # on a busy machine; a third of a second on an idle one
MAX_WAITING = 8  # of one caller
STOPPED_BY_LIMIT = (-signal.SIGXCPU, -signal.SIGALRM)
# No secret of the server's. Freed pictures go back to the system; the allocator would keep some of each.
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_MMAP_THRESHOLD_": "1048576"}
WRITTEN_BYTES = 64 * 1024 * 1024  # that a process may write at most into one file
MANIFEST_BYTES = 1024 * 1024  # far more than a manifest takes
Sign = Callable[[bytes], bytes]
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # where some systems have the libraries


class DecoderDied(Exception):
    """The process ended, or answered nonsense, before it had answered."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"status {returncode}")
        self.returncode = returncode


class Decoder:
    """One decoding process."""

    def __init__(
        self,
        *,
        memory_bytes: int,
        seconds: int,
        written_bytes: int = WRITTEN_BYTES,
        adds_manifests: bool = False,
    ) -> None:
        self._line, theirs = socket.socketpair()
        self._answer_seconds = 2 * seconds + 5.0
        with theirs:
            numbers = (theirs.fileno(), memory_bytes, seconds, written_bytes, int(adds_manifests))
            words = list(map(str, numbers))
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a program of ours
                    [sys.executable, "-s", "-m", "generation.media.decoder_process", *words],
                    cwd=ROOT,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError:
                self._line.close()
                raise
        self._line.settimeout(START_SECONDS)
        self._answer()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(
        self, request: dict[str, Any], files: Sequence[int], sign: Sign | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Its answer and the thumbnail behind that. Raises DecoderDied, and then it is stopped.

        `sign` signs what the process asks to have signed, once; it raises ValueError for what it refuses.
        """
        self._line.settimeout(self._answer_seconds)
        try:
            messages.send(self._line, request, files)
        except OSError:
            raise DecoderDied(self.stop()) from None
        answer, body = self._answer()
        if sign and answer.get("to_sign") is True:
            self._send_signature(sign, body)
            answer, body = self._answer()
        return answer, body

    def _send_signature(self, sign: Sign, data: bytes) -> None:
        try:
            signature = sign(data)
            messages.send(self._line, {"signature_bytes": len(signature)}, body=signature)
        except (ValueError, OSError):
            raise DecoderDied(self.stop()) from None

    def _answer(self) -> tuple[dict[str, Any], bytes]:
        try:
            answer = messages.receive(self._line)
            length = answer.get("thumbnail_bytes", 0)
            if not isinstance(length, int) or not 0 <= length <= MAX_THUMBNAIL_BYTES:
                raise DecoderDied(self.stop())
            return answer, messages.receive_body(self._line, length)
        except TimeoutError:
            self._process.kill()
            self.stop()
            raise DecoderDied(-signal.SIGALRM) from None
        except (messages.BadMessage, OSError):
            raise DecoderDied(self.stop()) from None

    def stop(self) -> int:
        """End it; how it ended, as subprocess says."""
        self._line.close()
        try:
            return self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _environment() -> dict[str, str]:
    return ENVIRONMENT | {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def _how(returncode: int) -> str:
    """How a process ended, in words."""
    return f"signal {-returncode}" if returncode < 0 else f"status {returncode}"


class DecoderPool:
    """At most `decoders` processes, and as many files at once; fair among callers."""

    def __init__(
        self,
        *,
        decoders: int,
        memory_bytes: int,
        seconds: int,
        max_waiting: int = MAX_WAITING,
        written_bytes: int = WRITTEN_BYTES,
        adds_manifests: bool = False,
    ) -> None:
        self._turns = FairSemaphore(decoders, max_waiting=max_waiting)
        self._new = functools.partial(
            Decoder,
            memory_bytes=memory_bytes,
            seconds=seconds,
            written_bytes=written_bytes,
            adds_manifests=adds_manifests,
        )
        self._seconds = seconds
        self._idle: list[Decoder] = []
        self._lock = threading.Lock()

    def ask(
        self,
        request: dict[str, Any],
        files: Sequence[int],
        *,
        caller: str,
        wait: float,
        sign: Sign | None = None,
    ) -> tuple[dict[str, Any], bytes]:
        """A decoding process's answer, unchecked, and the thumbnail behind that.

        One that dies is replaced, and the file is given to another once: the first may have been killed.

        Raises:
            BrokenMedia: the file made the process exceed its time, or die twice.
            TooManyDecodes: no turn within `wait` seconds.
            DecoderUnavailable: no process could be started.
        """
        try:
            with self._turns.turn(caller, wait=wait):
                return self._ask(request, files, sign)
        except NoTurn:
            raise TooManyDecodes from None

    def _ask(
        self, request: dict[str, Any], files: Sequence[int], sign: Sign | None
    ) -> tuple[dict[str, Any], bytes]:
        ended = 0
        for _ in range(2):
            decoder = self._take()
            try:
                answer = decoder.ask(request, files, sign)
            except DecoderDied as died:
                ended = died.returncode
                log.warning("decoder.died", pid=decoder.pid, status=died.returncode)
                if died.returncode in STOPPED_BY_LIMIT:
                    message = f"Opening the file takes more than {self._seconds} s."
                    raise BrokenMedia("too_large", message) from None
            else:
                self._put(decoder)
                return answer
        raise BrokenMedia("broken_media", f"Two decoders ended while they opened the file ({_how(ended)}).")

    def _take(self) -> Decoder:
        while True:
            with self._lock:
                decoder = self._idle.pop() if self._idle else None
            if decoder is None:
                return self._start()
            if decoder.is_running:
                return decoder
            log.warning("decoder.died", pid=decoder.pid, status=decoder.stop())

    def _start(self) -> Decoder:
        try:
            decoder = self._new()
        except (DecoderDied, OSError) as error:
            log.error("decoder.not_started", error=type(error).__name__, reason=str(error)[:200])
            raise DecoderUnavailable from error
        log.info("decoder.started", pid=decoder.pid)
        return decoder

    def _put(self, decoder: Decoder) -> None:
        with self._lock:
            self._idle.append(decoder)

    def warm_up(self) -> None:
        """Start one process now, so that the first file need not wait for it."""
        with contextlib.suppress(DecoderUnavailable):
            self._put(self._take())

    def stop(self) -> None:
        """End the processes that decode nothing; the others end when this process does."""
        with self._lock:
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.stop()


@functools.cache
def pool() -> DecoderPool:
    """The pool of this process."""
    made = DecoderPool(
        decoders=settings.DECODERS,
        memory_bytes=settings.DECODE_MEMORY_BYTES,
        seconds=settings.DECODE_SECONDS,
        written_bytes=max(WRITTEN_BYTES, settings.MAX_UPLOAD_BYTES + MANIFEST_BYTES),
        adds_manifests=bool(settings.SIGNING_CERTIFICATE),
    )
    atexit.register(made.stop)
    return made


def warm_up() -> None:
    """Start the first process in the background, while the server starts."""
    threading.Thread(target=pool().warm_up, daemon=True).start()
