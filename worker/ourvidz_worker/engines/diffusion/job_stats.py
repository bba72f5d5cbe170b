"""What is known of how one job is being made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ourvidz_worker.protocol import Job


@dataclass
class Account:
    """Of one lease of one job, so that nothing of it is ever told of another.

    `prompt`: what the pipeline is given; `enhancer` names the model that wrote it, if one did. `batch`: slots
    that are denoised at once. `seconds` by stage.
    """

    job_id: str
    lease_token: str
    prompt: str
    enhancer: str = ""
    batch: int = 1
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _within: float = 0.0  # s of a timed stage that are counted for another inside it

    @classmethod
    def of(cls, job: Job) -> Account:
        return cls(job.id, job.lease_token, job.prompt)

    def is_of(self, job: Job) -> bool:
        return (self.job_id, self.lease_token) == (job.id, job.lease_token)

    def told(self) -> dict[str, object]:
        stages = {stage: round(spent, 3) for stage, spent in self.seconds.items()}
        told: dict[str, object] = {"stages": stages}
        if self.notes:
            told["notes"] = list(self.notes)
        if self.enhancer:
            told |= {"enhanced_prompt": self.prompt, "enhancer": self.enhancer}
        return told

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Counts what is done within, less what is timed on its own there."""
        mark, around = time.monotonic(), self._within
        self._within = 0.0
        try:
            yield
        finally:
            spent = time.monotonic() - mark
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent - self._within
            self._within = around + spent
