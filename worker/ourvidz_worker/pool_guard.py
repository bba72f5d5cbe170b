"""Withdraws a pool of which this worker only fails jobs, and offers it again later."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ourvidz_worker import log

MAX_FAILED_JOBS = 3
FIRST_PAUSE_S = 300.0
MAX_PAUSE_S = 4 * 3600.0

# The codes of failures that say nothing of the job: another worker may well do it.
OWN_FAULTS = frozenset(
    {
        *("engine_error", "model_unusable", "not_a_picture", "not_generated", "out_of_memory"),
        # Of the engine comfy: its program is away or dies, its workflow cannot run or makes the wrong thing.
        *("comfy_away", "comfy_restarted", "workflow_refused", "workflow_failed"),
        *("output_missing", "wrong_output"),
    }
)

# For when all are withdrawn: an empty list of pools would offer every job type, and no pool has this name.
NO_POOLS = ("none",)


def pause_after(pauses: int, first_pause_s: float = FIRST_PAUSE_S) -> float:
    """Seconds until what failed is tried again, after so many pauses in a row: doubling, capped."""
    return min(MAX_PAUSE_S, first_pause_s * 2.0 ** min(pauses, 16))


@dataclass
class _Record:
    """Of one pool: the jobs in a row that failed, and the pauses in a row."""

    failed_jobs: set[str] = field(default_factory=set)
    pauses: int = 0
    until: float = 0.0
    reason: str = ""


class PoolGuard:
    """Counts the jobs in a row, by pool, that brought nothing for reasons of the worker's own.

    Each job counts once, however often it comes again: it may be the reason itself. After `MAX_FAILED_JOBS`
    the pool is withdrawn for a while; then one more such job withdraws it for twice as long, and the first
    result ends it.
    """

    def __init__(self, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._first_pause_s = first_pause_s
        self._records: dict[str, _Record] = {}

    def record_result(self, pool: str) -> None:
        if (record := self._records.pop(pool, None)) and record.pauses:
            log.event("pool_recovered", pool=pool)

    def record_fault(self, pool: str, job_id: str, reason: str) -> None:
        record = self._records.setdefault(pool, _Record())
        record.failed_jobs.add(job_id)
        if len(record.failed_jobs) < MAX_FAILED_JOBS and not record.pauses:
            return
        pause_s = pause_after(record.pauses, self._first_pause_s)
        record.pauses += 1
        record.until, record.reason = time.monotonic() + pause_s, reason
        log.event("pool_withdrawn", pool=pool, reason=reason, again_in_s=round(pause_s, 1))

    def withdrawn(self) -> dict[str, str]:
        """The reason for each pool that is withdrawn now."""
        now = time.monotonic()
        return {pool: record.reason for pool, record in self._records.items() if record.until > now}

    def offered(self, pools: Iterable[str]) -> tuple[str, ...]:
        withdrawn = self.withdrawn()
        return tuple(pool for pool in pools if pool not in withdrawn) or NO_POOLS
