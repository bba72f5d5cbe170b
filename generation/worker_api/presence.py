"""Worker presence: when a worker called last, what it is and what it offers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from generation.models import Worker

SEEN_RESOLUTION = timedelta(seconds=10)


def record_seen(worker: Worker) -> None:
    """Record that the worker called; at most one write in ten seconds."""
    if worker.last_seen_at is None or timezone.now() - worker.last_seen_at > SEEN_RESOLUTION:
        Worker.objects.filter(pk=worker.pk).update(last_seen_at=Now())


def record_offer(worker: Worker, *, pools: Sequence[str], software: str, device: str) -> None:
    """Record what the worker offers at this lease call; writes only what has changed."""
    fields = {"pools": list(pools), "software": software, "device": device}
    if any(getattr(worker, name) != value for name, value in fields.items()):
        Worker.objects.filter(pk=worker.pk).update(**fields)
