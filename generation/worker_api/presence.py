"""Worker presence: when a worker called last, what it is and what it offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

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
    models_changed: bool = False,
) -> None:
    """Record what the worker offers at this lease call; writes only what has changed.

    `withdrawn`: why it does not offer a pool for the time being; logged when its offer changes.
    """
    fields = {"pools": list(pools), "software": software, "device": device}
    if models_changed or (worker.advertised and worker.pools != fields["pools"]):
        record_pools(worker=worker, pools=[*pools, *withdrawn])
    if any(getattr(worker, name) != value for name, value in fields.items()):
        Worker.objects.filter(pk=worker.pk).update(**fields)
        for pool, reason in withdrawn.items():
            log.warning("pool_withdrawn", worker_id=str(worker.pk), pool=pool, reason=reason)
