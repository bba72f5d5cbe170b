"""What an engine is. The sketch engine is one; engines that drive a GPU fit behind the same few names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ourvidz_worker.protocol import AssetError, Job, Slot

if TYPE_CHECKING:  # whoever starts a worker waits for no arrays
    import numpy as np
    import numpy.typing as npt

ReportProgress = Callable[[float, str], None]
"""Takes the share of the whole job that is done, 0..1, and the stage in a word."""

ShouldStop = Callable[[], bool]
"""True as soon as nobody wants the result; an engine asks at least every 0.2 s."""


Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""(height, width, 3) bytes of sRGB."""


class Previews(Protocol):
    """Where an engine shows what a slot looks like so far. Both calls return at once and never fail."""

    def is_due(self) -> bool:
        """Whether somebody would see one now; an engine makes none before."""

    def show(self, slot: int, picture: Pixels) -> None:
        """`picture` of any size, and not changed any more."""


class NobodyLooks:
    """The previews of a job for which nobody takes any."""

    def is_due(self) -> bool:
        return False

    def show(self, slot: int, picture: Pixels) -> None:
        """It is not sent."""


NOBODY_LOOKS = NobodyLooks()


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
        self,
        job: Job,
        report_progress: ReportProgress,
        should_stop: ShouldStop,
        previews: Previews = NOBODY_LOOKS,
    ) -> Iterator[FinishedSlot]:
        """Yields every slot of the job once, in their order, as soon as it exists.

        Raises Halted when told to stop.
        """

    def unload(self) -> None:
        """Gives memory back; `load` may follow."""
