"""What a worker says in each lease call: its pools, its models, and what of it the server understands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from ourvidz_worker import __version__, log
from ourvidz_worker.engines.base import Engine
from ourvidz_worker.errors import ServerRefused
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.pool_guard import NO_POOLS, PoolGuard
from ourvidz_worker.protocol import Offer

MAX_POOLS = 200  # what servers take
RETRY_MODELS_S = 600.0  # a server that takes no models may be replaced by a newer one

Bodies = Sequence[Mapping[str, Any]]


class Models(Protocol):
    """The models of a worker, for the server. `loading` is entered while a job waits for one."""

    loading: Callable[[], AbstractContextManager[None]]

    @property
    def warm(self) -> tuple[str, ...]:
        """The pools of those that are loaded; empty if it makes no difference."""

    @property
    def unusable(self) -> Mapping[str, str]:
        """The reason for each pool that a model cannot serve, although it is set up for it."""

    def bodies(self) -> Bodies:
        """Those with a name, as a lease call says them."""

    @property
    def is_retry_due(self) -> bool:
        """Whether one that could not be used is to be tried again."""

    def retry(self) -> None:
        """Tries these; what is loaded may be unloaded for it."""


class NoModels:
    """Of an engine that has none."""

    loading: Callable[[], AbstractContextManager[None]] = nullcontext
    warm: tuple[str, ...] = ()
    unusable: Mapping[str, str] = {}

    is_retry_due = False

    def bodies(self) -> Bodies:
        return []

    def retry(self) -> None:
        """There are none."""


class Offers:
    """Makes one offer after the other. `models` are sent when they differ from what was answered last."""

    def __init__(
        self, engine: Engine, guard: PoolGuard, health: WorkerHealth, models: Models | None = None
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._health = health
        self._models = models or NoModels()
        self._known: Bodies | None = None  # what the server has
        self._sends_withdrawn = True
        self._models_from = 0.0  # when models may be sent again
        self._cut = 0

    def current(self) -> Offer:
        engine, withdrawn = self._engine, {**self._models.unusable, **self._guard.withdrawn()}
        self._health.set_withdrawn(withdrawn)
        sends_models = time.monotonic() >= self._models_from
        pools = self._pools(with_models=sends_models)
        return Offer(
            engine.serves,
            pools,
            engine.name,
            __version__,
            engine.device,
            self._withdrawn(withdrawn, with_models=sends_models),
            models=self._changed_models() if sends_models else None,
            warm=tuple(pool for pool in self._models.warm if pool in pools) if sends_models else (),
        )

    def none(self) -> Offer:
        """Of a worker that stops; what its models can do stays known."""
        engine = self._engine
        return Offer(engine.serves, NO_POOLS, engine.name, __version__, engine.device)

    def answered(self, offer: Offer) -> None:
        """The server has taken this offer."""
        if offer.models is not None:
            self._known = offer.models

    def server_was_away(self) -> None:
        """It may be another version now, or another database."""
        self._known, self._models_from = None, 0.0

    def refused(self, offer: Offer, refused: ServerRefused) -> bool:
        """Leaves out what an older server refuses as unknown (422) or too long (413, over 16 KiB).

        Models first: they came last, and all that is said of them goes at once. Returns whether there was
        something to leave out.
        """
        if refused.status not in (413, 422):
            return False
        if offer.models or offer.warm or any("@" in pool for pool in offer.pools):
            self._known, self._models_from = None, time.monotonic() + RETRY_MODELS_S
            log.event("models_refused", reason=str(refused), again_in_s=RETRY_MODELS_S)
            return True
        if offer.models is not None:  # an empty list: such a server has no models of this worker either
            self._known = offer.models
            return True
        if offer.withdrawn and self._sends_withdrawn:
            self._sends_withdrawn = False
            return True
        return False

    def _changed_models(self) -> Bodies | None:
        """None while the server knows them. Of a worker without one it is told too: it may have had some."""
        bodies = self._models.bodies()
        return None if bodies == self._known else bodies

    def _pools(self, *, with_models: bool) -> tuple[str, ...]:
        """At most as many as servers take: of models those with the fewest references."""
        pools = [pool for pool in self._guard.offered(self._engine.pools) if with_models or "@" not in pool]
        if len(pools) > MAX_POOLS:
            pools.sort(key=lambda pool: ("@" in pool, pool.count("+")))
            if self._cut != len(pools):
                self._cut = len(pools)
                log.event("pools_cut", pools=len(pools), offered=MAX_POOLS, first_left_out=pools[MAX_POOLS])
        return tuple(pools[:MAX_POOLS]) or NO_POOLS

    def _withdrawn(self, reasons: Mapping[str, str], *, with_models: bool) -> Mapping[str, str]:
        if not self._sends_withdrawn:
            return {}
        sent = {pool: reason for pool, reason in reasons.items() if with_models or "@" not in pool}
        return dict(list(sent.items())[:MAX_POOLS])
