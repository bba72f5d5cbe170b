"""The interface that every engine implements, with its types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ourvidz_worker.protocol import AssetError, Job, Slot

if TYPE_CHECKING:  # importing numpy would delay the command line
    import numpy as np
    import numpy.typing as npt

ReportProgress = Callable[[float, str], None]
"""Takes the share of the whole job that is done, 0..1, and the stage as one word."""

ShouldStop = Callable[[], bool]
"""True once the job is cancelled or the worker stops; an engine calls it at least every 0.2 s."""


Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""(height, width, 3) bytes of sRGB."""


class Previews(Protocol):
    """Takes an engine's previews of a slot. Both methods return at once and never raise."""

    def is_due(self) -> bool:
        """Whether a preview would be sent now; an engine makes none otherwise."""

    def show(self, slot: int, picture: Pixels) -> None:
        """`picture` may have any size and must not be changed afterwards."""


class NullPreviews:
    """Discards previews: for jobs of servers that take none."""

    def is_due(self) -> bool:
        return False

    def show(self, slot: int, picture: Pixels) -> None:
        """Does nothing."""


NULL_PREVIEWS = NullPreviews()


@dataclass(frozen=True, slots=True)
class Result:
    """A finished file and its metadata. `duration` in seconds, None for an image."""

    media: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    duration: float | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FinishedSlot:
    """A slot with its result, or with the error that prevented it."""

    slot: Slot
    outcome: Result | AssetError


class Engine(Protocol):
    """Generates the results of jobs, one job at a time, always in the same thread."""

    @property
    def name(self) -> str: ...

    @property
    def serves(self) -> tuple[str, ...]:
        """The server's engines whose queues this one takes jobs from."""

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools of jobs it takes: job types, and job types with the references that it can use.

        Complete once `load` has returned.
        """

    @property
    def device(self) -> str:
        """The device it runs on, as text for people."""

    def load(self) -> None:
        """Does what is slow and needed once, before the first job. Raises EngineUnusable."""

    def job_metadata(self, job: Job) -> Mapping[str, object]:
        """The metadata of the finished job, such as its enhanced prompt."""

    def generate(
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NULL_PREVIEWS,
    ) -> Iterator[FinishedSlot]:
        """Yields every slot of the job once, in order, as soon as it is finished.

        Raises Halted when `should_stop` returns True.
        """

    def unload(self) -> None:
        """Frees memory; `load` may follow."""
