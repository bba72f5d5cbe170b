"""What an engine is. The sketch engine is one; engines that drive a GPU fit behind the same few names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ourvidz_worker.protocol import AssetError, Job, Slot

ReportProgress = Callable[[float, str], None]
"""Takes the share of the whole job that is done, 0..1, and the stage in a word."""

ShouldStop = Callable[[], bool]
"""True as soon as nobody wants the result; an engine asks at least every 0.2 s."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished file and the facts about it. `duration` in seconds, None for an image."""

    media: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    duration: float | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FinishedSlot:
    """A slot with its result, or with the reason why there is none."""

    slot: Slot
    outcome: Result | AssetError


class Engine(Protocol):
    """Makes what jobs ask for. One job at a time, always from the same thread."""

    @property
    def name(self) -> str: ...

    @property
    def serves(self) -> tuple[str, ...]:
        """The server's engines whose queues this one takes jobs from."""

    @property
    def pools(self) -> tuple[str, ...]:
        """What it can be given: job types, and job types with the references that it can use.

        Complete once `load` has returned.
        """

    @property
    def device(self) -> str:
        """What it runs on, in words."""

    def load(self) -> None:
        """Whatever is slow and needed once; called before the first job. Raises EngineUnusable."""

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        """What the finished job should say about itself, such as an enhanced prompt."""

    def generate(
        self, job: Job, report_progress: ReportProgress, should_stop: ShouldStop
    ) -> Iterator[FinishedSlot]:
        """Yields every slot of the job once, as soon as it exists. Raises Halted when told to stop."""

    def unload(self) -> None:
        """Gives memory back; `load` may follow."""
