"""The embedder's main loop: leases images and texts, embeds them, leases the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any

from ourvidz_worker import __version__, log
from ourvidz_worker.client import LEASE_WAIT_S, backoff
from ourvidz_worker.embeddings.base import Embedder
from ourvidz_worker.embeddings.client import EmbeddingServer
from ourvidz_worker.embeddings.lease_work import LeaseWork
from ourvidz_worker.embeddings.messages import EmbeddingLease, EmbeddingModel
from ourvidz_worker.embeddings.refusals import EmbeddingRefused, final_reason, has_no_embeddings
from ourvidz_worker.errors import Halted, MalformedLease, ServerRefused, ServerUnavailable, WorkerDisabled
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.runner import ShutDown

LIMIT = 16  # items of one lease
ASK_AGAIN_S = 60.0  # a server that has no embeddings yet


class EmbeddingRunner:
    """`stop` may be called from a signal handler of the thread that is inside `run`.

    `load` returns the embedder; the server is asked before. `thresholds` replace the embedder's own.
    `patience`: seconds for which a server without embeddings is asked again and again.
    """

    def __init__(
        self,
        server: EmbeddingServer,
        load: Callable[[], Embedder],
        thresholds: Mapping[Any, tuple[float, float]] | None = None,
        health: WorkerHealth | None = None,
        patience: float = 0.0,
        ask_again_s: float = ASK_AGAIN_S,
    ) -> None:
        self._server = server
        self._load = load
        self._thresholds = thresholds or {}
        self._health = health or WorkerHealth()
        server.on_contact = self._health.set_connected
        self._patience = patience
        self._ask_again_s = ask_again_s
        self._ask_until = time.monotonic() + patience
        self._stopping = Event()
        self._is_interruptible = False  # in a long poll or loading weights: `stop` then raises ShutDown
        self._connected = False

    def stop(self) -> None:
        """Ends `run`: at once while it waits, else after it has reported the batch in hand."""
        self._stopping.set()
        if self._is_interruptible:
            raise ShutDown

    def run(self) -> None:
        """Runs until `stop`.

        Raises EmbeddingRefused or TokenRefused when the server will lease nothing, EngineUnusable or
        EngineBroken when the embedder cannot work.
        """
        try:
            self._check_access()
            with self._interruptible():
                embedder = self._load()
            log.event(
                "ready",
                embedder=embedder.name,
                dimensions=embedder.dimensions,
                device=embedder.device,
                version=__version__,
            )
            self._work(embedder)
        except ShutDown:
            self._is_interruptible = False
        log.event("stopped")

    def _check_access(self) -> None:
        """Asks before minutes of loading what would be refused after them."""
        while not self._stopping.is_set():
            try:
                with self._interruptible():
                    self._server.check_embeddings()
                return
            except (ServerUnavailable, WorkerDisabled):  # it may be otherwise by then
                return
            except ServerRefused as refused:
                self._back_off(refused, 0)

    def _work(self, embedder: Embedder) -> None:
        thresholds = {**embedder.thresholds, **self._thresholds}
        model = EmbeddingModel(embedder.name, embedder.dimensions, thresholds)
        work = LeaseWork(self._server, embedder, self._stopping)
        failures = 0
        while not self._stopping.is_set():
            self._health.set_activity("idle")
            try:
                is_fruitful = self._work_once(model, work)
            except Halted:
                continue
            except (ServerUnavailable, ServerRefused, MalformedLease) as error:
                self._back_off(error, failures)
                failures += 1
                continue
            failures = 0 if is_fruitful else failures + 1
            if failures:
                self._stopping.wait(backoff(failures))

    def _work_once(self, model: EmbeddingModel, work: LeaseWork) -> bool:
        """False if the server leased what it then did not take: it may do so again at once."""
        lease = self._lease(model)
        if lease is None:
            return True
        self._health.set_activity("working")
        began = time.monotonic()
        taken = work.run(lease)
        self._health.record_job("embedded", time.monotonic() - began)
        return taken > 0

    def _lease(self, model: EmbeddingModel) -> EmbeddingLease | None:
        # The first request does not wait: its response shows that the address and the token are right.
        wait_s = LEASE_WAIT_S if self._connected else 0.0
        with self._interruptible():
            lease = self._server.lease_embeddings(model, LIMIT, wait_s)
        if not self._connected:
            self._connected = True
            log.event("connected")
        self._ask_until = time.monotonic() + self._patience
        return lease

    def _back_off(self, error: ServerUnavailable | ServerRefused | MalformedLease, failures: int) -> None:
        """Waits before the next attempt. Raises EmbeddingRefused if there is to be none."""
        delay = backoff(failures)
        if isinstance(error, ServerUnavailable):
            delay = max(delay, error.retry_after or 0.0)
        elif isinstance(error, ServerRefused) and (reason := final_reason(error, connected=self._connected)):
            if not has_no_embeddings(error) or time.monotonic() >= self._ask_until:
                raise EmbeddingRefused(reason)
            delay = self._ask_again_s
        log.event("lease_failed", reason=str(error), again_in_s=round(delay, 1))
        self._stopping.wait(delay)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Lets `stop` interrupt what cannot be woken."""
        self._is_interruptible = True
        try:
            if self._stopping.is_set():
                raise ShutDown
            yield
        finally:
            self._is_interruptible = False
