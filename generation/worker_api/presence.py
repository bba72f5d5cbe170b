"""Worker presence: when a worker called last, what it is and what it offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.db.models.functions import Now
from django.utils import timezone

from generation.models import Worker
from generation.queue.advertised import record_pools

log = structlog.get_logger("ourvidz.workers")

SEEN_RESOLUTION = timedelta(seconds=10)


def record_seen(worker: Worker) -> None:
    """Record that the worker called; at most one write in ten seconds."""
    if worker.last_seen_at is None or timezone.now() - worker.last_seen_at > SEEN_RESOLUTION:
        Worker.objects.filter(pk=worker.pk).update(last_seen_at=Now())


def record_offer(
    worker: Worker,
    *,
    pools: Sequence[str],
    software: str,
    device: str,
    withdrawn: Mapping[str, str],
    interruptible: bool,
    models_changed: bool = False,
) -> None:
    """Record what the worker offers at this lease call; writes only what has changed.

    `withdrawn`: why it does not offer a pool for the time being. What is new of it is logged, and what ended.
    One that offers nothing without a reason stops: what its models can do stays.
    """
    stops = not pools and not withdrawn
    if models_changed or (worker.advertised and worker.pools != list(pools) and not stops):
        record_pools(worker=worker, pools=[*pools, *withdrawn])
    degraded = _degraded(worker.degraded, withdrawn)
    fields: dict[str, object] = {"pools": list(pools), "software": software, "device": device}
    fields |= {"degraded": degraded, "interruptible": interruptible}
    if pools and worker.joined_at is None:
        fields["joined_at"] = timezone.now()
    if any(getattr(worker, name) != value for name, value in fields.items()):
        Worker.objects.filter(pk=worker.pk).update(**fields)
        _log_changes(worker, degraded)


def _degraded(before: Mapping[str, Any], withdrawn: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Each withdrawn pool with its reason, and since when; that stays while the pool is withdrawn."""
    now = timezone.now().isoformat(timespec="seconds")
    return {
        pool: {"reason": reason, "since": before.get(pool, {}).get("since", now)}
        for pool, reason in withdrawn.items()
    }


def _log_changes(worker: Worker, degraded: Mapping[str, Mapping[str, str]]) -> None:
    for pool, told in degraded.items():
        if worker.degraded.get(pool) != told:
            log.warning("pool_withdrawn", worker_id=str(worker.pk), pool=pool, **told)
    for pool in worker.degraded.keys() - degraded.keys():
        log.info("pool_offered_again", worker_id=str(worker.pk), pool=pool)
