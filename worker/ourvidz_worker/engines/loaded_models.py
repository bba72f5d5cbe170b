"""Which models of a worker are loaded: the last one stays, and those that fit beside it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from ourvidz_worker import log
from ourvidz_worker.engines.base import Engine
from ourvidz_worker.engines.model_memory import fits
from ourvidz_worker.engines.models import ModelSettings
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.pool_guard import pause_after


@dataclass(slots=True, eq=False)
class Member:
    """A model with its engine, which was created with these settings.

    `pools`, without the model's name, and `digest` are known once it was loaded. `problem`: why it cannot be
    used; empty if it can. It is tried again `again_at`, after `pauses` in a row.
    """

    model: ModelSettings
    settings: EngineSettings
    engine: Engine | None = None
    pools: tuple[str, ...] = ()
    digest: str = ""
    problem: str = ""
    pauses: int = 0
    again_at: float = 0.0

    def pause(self, problem: str) -> None:
        pause_s = pause_after(self.pauses)
        self.problem, self.pauses, self.again_at = problem, self.pauses + 1, time.monotonic() + pause_s
        log.event("model_unusable", model=self.model.name, reason=problem, again_in_s=round(pause_s))

    def recover(self) -> None:
        self.problem, self.pauses = "", 0

    @property
    def is_due(self) -> bool:
        """Whether it cannot be used and its pause is over."""
        return bool(self.problem) and time.monotonic() >= self.again_at


class LoadedModels:
    """Loads one model after the other and unloads what does not fit any more, the longest unused first."""

    def __init__(self) -> None:
        self._members: list[Member] = []  # the last used last
        self.last_used: Member | None = None

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    def __len__(self) -> int:
        return len(self._members)

    def activate(self, member: Member) -> None:
        """Loads the model unless it is loaded. Raises EngineUnusable."""
        if member in self._members:
            self._members.remove(member)
        else:
            self._make_room(member)
            try:
                self._load(member)
            except EngineUnusable:
                if _loads_later(member.model) or not self.unload_others(member):
                    raise
                self._load(member)  # the reason may have been too little memory
        self._members.append(member)
        self.last_used = member

    def probe(self, member: Member) -> None:
        """Loads the model to see whether it can be used. Raises EngineUnusable.

        The others stay loaded where it takes no memory before its first job.
        """
        if not _loads_later(member.model):
            self.activate(member)
            return
        assert member.engine is not None
        self._load(member)
        member.engine.unload()

    def unload_others(self, member: Member) -> bool:
        """Whether there were any that take memory."""
        others = self._others(member)
        for other in others:
            self.unload(other)
        return bool(others)

    def unload(self, member: Member) -> None:
        if member not in self._members:
            return
        self._members.remove(member)
        log.event("model_unloaded", model=member.model.name)
        assert member.engine is not None
        member.engine.unload()

    def unload_all(self) -> None:
        while self._members:
            member = self._members.pop()
            assert member.engine is not None
            member.engine.unload()

    def _load(self, member: Member) -> None:
        assert member.engine is not None
        try:
            member.engine.load()
        except BaseException:
            with suppress(Exception):  # it may hold a part of the weights
                member.engine.unload()
            raise

    def _make_room(self, member: Member) -> None:
        for other in self._others(member):
            if fits(member.settings):
                return
            if not _is_same_program(member.model, other.model):
                self.unload(other)

    def _others(self, member: Member) -> list[Member]:
        return [each for each in self._members if each is not member and each.model.engine != "sketch"]


def _loads_later(model: ModelSettings) -> bool:
    """A ComfyUI loads what the workflow names with the first prompt."""
    return model.engine == "comfy"


def _is_same_program(one: ModelSettings, other: ModelSettings) -> bool:
    """Whether both are workflows of one ComfyUI, which makes room by itself."""
    url = one.options.get("url")
    return one.engine == other.engine == "comfy" and bool(url) and url == other.options.get("url")
