"""Statistics of one job: seconds by stage, the prompt used, notes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ourvidz_worker.protocol import Job


@dataclass
class JobStats:
    """Belongs to one lease of one job: nothing of it may appear in another job's metadata.

    `prompt` is what the pipeline gets; `enhancer` names the model that wrote it, if one did. `batch` is the
    number of slots that are denoised at once. `seconds` are by stage.
    """

    job_id: str
    lease_token: str
    prompt: str
    enhancer: str = ""
    batch: int = 1
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _nested_s: float = 0.0  # of the stage being timed: seconds that count for a stage inside it

    @classmethod
    def for_job(cls, job: Job) -> JobStats:
        return cls(job.id, job.lease_token, job.prompt)

    def belongs_to(self, job: Job) -> bool:
        return (self.job_id, self.lease_token) == (job.id, job.lease_token)

    def metadata(self) -> dict[str, object]:
        stages = {stage: round(spent, 3) for stage, spent in self.seconds.items()}
        metadata: dict[str, object] = {"stages": stages}
        if self.notes:
            metadata["notes"] = list(self.notes)
        if self.enhancer:
            metadata |= {"enhanced_prompt": self.prompt, "enhancer": self.enhancer}
        return metadata

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Counts the seconds spent inside for `stage`, without those of stages that are timed inside it."""
        started, outer_nested_s = time.monotonic(), self._nested_s
        self._nested_s = 0.0
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent - self._nested_s
            self._nested_s = outer_nested_s + spent
