"""All models of a worker as one engine: the last one stays loaded, and those that fit beside it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from ourvidz_worker import log
from ourvidz_worker.engines import create_engine
from ourvidz_worker.engines.base import (
    NULL_PREVIEWS,
    Engine,
    FinishedSlot,
    Previews,
    ReportProgress,
    Result,
    ShouldStop,
)
from ourvidz_worker.engines.chosen import UnsupportedParameter, lora_weights, resolve, unsupported_error
from ourvidz_worker.engines.loaded_models import LoadedModels, Member
from ourvidz_worker.engines.models import ModelSettings, body_of, settings_for
from ourvidz_worker.engines.pools import job_type_of, job_types_of_engine, pool_of, with_model
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.model_digest import digest_of
from ourvidz_worker.protocol import AssetError, Job

OUT_OF_MEMORY = "out_of_memory"
Create = Callable[[EngineSettings, ModelSettings], Engine]


class ModelSwitch:
    """Each model is loaded once at the start, the first of the file last: what is broken shows before a job
    is leased, and what a model can do with references is known by its weights alone. One that cannot be used
    is tried again after a pause.
    """

    def __init__(
        self, settings: EngineSettings, models: tuple[ModelSettings, ...], create: Create = create_engine
    ) -> None:
        """Raises EngineUnusable if there is one model and its engine cannot be created."""
        self._create = partial(create, settings)
        self._members = [Member(model, settings_for(settings, model)) for model in models]
        self._loaded = LoadedModels()
        self._is_complete = False  # whether each model was tried
        self.loading: Callable[[], AbstractContextManager[None]] = nullcontext
        for member in self._members:
            with self._giving_up_on_errors(member):
                member.engine = self._create(member.model)

    @property
    def name(self) -> str:
        return ",".join(dict.fromkeys(member.model.engine for member in self._members))

    @property
    def serves(self) -> tuple[str, ...]:
        served = [queue for member in self._members if member.engine for queue in member.engine.serves]
        return tuple(dict.fromkeys(served))

    @property
    def device(self) -> str:
        member = self._loaded.last_used or self._members[0]
        return member.engine.device if member.engine else ""

    @property
    def pools(self) -> tuple[str, ...]:
        """Those without a model first. What two models are the default for is the first one's."""
        plain = [pool for member in self._usable if member.model.is_default for pool in member.pools]
        named = [pool for member in self._usable for pool in _named_pools(member)]
        return tuple(dict.fromkeys((*plain, *named)))

    @property
    def warm(self) -> tuple[str, ...]:
        """The pools of the models that are loaded; empty if none is, or if all are."""
        if len(self._loaded) == len(self._usable):
            return ()
        loaded = [member for member in self._usable if member in self._loaded]
        return tuple(pool for pool in self.pools if self._member_of(pool) in loaded)

    @property
    def unusable(self) -> Mapping[str, str]:
        """The reason for each pool of a model that cannot be used.

        Those with references are known once it was loaded.
        """
        return {
            with_model(pool, member.model.name): member.problem
            for member in self._members
            if member.problem and member.model.name
            for pool in member.pools or member.model.job_types or job_types_of_engine(member.model.engine)
        }

    @property
    def is_retry_due(self) -> bool:
        return any(member.is_due for member in self._members)

    def bodies(self) -> list[dict[str, Any]]:
        """The models with a name, as a lease call says them."""
        return [
            body_of(member.model, tuple(dict.fromkeys(map(job_type_of, member.pools))), member.digest)
            for member in self._usable
            if member.model.name
        ]

    def load(self) -> None:
        """Raises EngineUnusable if no model can be used."""
        if self._is_complete:
            self._load_again()
        else:
            for member in reversed(self._usable):
                with self._giving_up_on_errors(member):
                    self._loaded.activate(member)
                    self._learn(member)
        if not self._usable:
            raise EngineUnusable("; ".join(member.problem for member in self._members))
        self._is_complete = True

    def _load_again(self) -> None:
        """After an error: the last used, or the first that can be; the others when they are needed."""
        last = self._loaded.last_used
        for member in sorted(self._usable, key=lambda each: each is not last):
            with self._giving_up_on_errors(member):
                self._loaded.activate(member)
                return

    def retry(self) -> None:
        """Tries the models again whose pause is over."""
        for member in self._members:
            if not member.is_due:
                continue
            with self._giving_up_on_errors(member):
                member.engine = member.engine or self._create(member.model)
                self._loaded.probe(member)
                self._learn(member)
                member.recover()

    def unload(self) -> None:
        self._loaded.unload_all()

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        member = self._member_of(pool_of(job))
        if member is None or member.engine is None:
            return {}
        metadata = dict(member.engine.job_metadata(job))
        return metadata | ({"model_digest": member.digest} if member.model.name else {})

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        member = self._member_of(pool_of(job))
        if member is None:
            yield from _failed(job, _missing(job))
            return
        try:
            wanted = resolve(job, member.model)
        except UnsupportedParameter as unsupported:
            yield from _failed(job, unsupported_error(unsupported))
            return
        try:
            self._load_for_job(member, report_progress)
        except EngineUnusable as unusable:
            message = "The worker cannot load the model."
            error = AssetError("model_unusable", message, retryable=True, advice=str(unusable))
            yield from _failed(job, error)
            return
        for finished in self._finished_slots(member, wanted, report_progress, should_stop, previews):
            yield _described(finished, member, wanted)

    def _load_for_job(self, member: Member, report_progress: ReportProgress) -> None:
        """Raises EngineUnusable, and what `loading` raises."""
        if member in self._loaded:
            self._loaded.activate(member)
            return
        report_progress(0.0, "loading")
        with self.loading():
            self._loaded.activate(member)

    def _finished_slots(
        self, member: Member, job: Job, report: ReportProgress, should_stop: ShouldStop, previews: Previews
    ) -> Iterator[FinishedSlot]:
        """Out of memory, it unloads the other models and goes on with the slots that are left."""
        assert member.engine is not None
        remaining = list(job.slots)
        made = member.engine.generate(job, report, should_stop, previews)
        for finished in made:
            is_short = isinstance(finished.outcome, AssetError) and finished.outcome.code == OUT_OF_MEMORY
            if is_short and self._loaded.unload_others(member):
                log.event("out_of_memory", job_id=job.id, note="unloaded the other models and went on")
                if isinstance(made, Generator):
                    made.close()
                left = replace(job, slots=tuple(remaining))
                yield from member.engine.generate(left, report, should_stop, previews)
                return
            remaining.remove(finished.slot)
            yield finished

    @property
    def _usable(self) -> list[Member]:
        return [member for member in self._members if not member.problem]

    def _member_of(self, pool: str) -> Member | None:
        plain, _, name = pool.partition("@")
        for member in self._usable:
            is_meant = member.model.name == name if name else member.model.is_default
            if is_meant and plain in member.pools:
                return member
        return None

    def _learn(self, member: Member) -> None:
        """Raises EngineUnusable if the model does none of its job types."""
        assert member.engine is not None
        wanted = member.model.job_types
        pools = tuple(pool for pool in member.engine.pools if not wanted or job_type_of(pool) in wanted)
        if not pools:
            raise EngineUnusable(f"{', '.join(wanted)}: none of it can be done with these weights")
        member.pools = pools
        if member.model.name:
            member.digest = digest_of(member.model)
            log.event("model_ready", model=member.model.name, pools=len(pools), digest=member.digest[:12])

    @contextmanager
    def _giving_up_on_errors(self, member: Member) -> Iterator[None]:
        """Of several models one is given up for a while, whatever it raises; of one alone it is raised."""
        try:
            yield
        except Exception as error:
            if len(self._members) == 1:
                raise
            problem = str(error)
            if not isinstance(error, EngineUnusable):
                described = log.describe_error(error)
                log.event("engine_failed", model=member.model.name, **described)
                problem = f"{described['error']}: {described['message']}"
            member.pause(problem)
            with suppress(Exception):  # a broken GPU may fail even this
                self._loaded.unload(member)


def _named_pools(member: Member) -> list[str]:
    name = member.model.name
    return [with_model(pool, name) for pool in member.pools] if name else []


def _missing(job: Job) -> AssetError:
    name = job.parameters.model
    what = f"does not have the model {name!r} for this" if name else f"does not do {job.job_type}"
    return AssetError("model_missing", f"This worker {what}.", retryable=True)


def _failed(job: Job, error: AssetError) -> Iterator[FinishedSlot]:
    return (FinishedSlot(slot, error) for slot in job.slots)


def _described(finished: FinishedSlot, member: Member, job: Job) -> FinishedSlot:
    """With what made the result in its metadata, for a model that has a name."""
    if not member.model.name or not isinstance(finished.outcome, Result):
        return finished
    weights = lora_weights(job, member.model)
    metadata: dict[str, object] = {
        **finished.outcome.metadata,
        "model": member.model.name,
        "model_digest": member.digest,
        "settings": dict(job.parameters.settings),
    }
    metadata |= {"loras": weights} if weights else {}
    return replace(finished, outcome=replace(finished.outcome, metadata=metadata))
