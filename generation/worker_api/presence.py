"""What a worker says of itself by calling: that it is there, what it is, what it offers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from generation.models import Worker

STALE = timedelta(seconds=10)


def seen(worker: Worker) -> None:
    """Remember that it called; one write in ten seconds at most."""
    if worker.last_seen_at is None or timezone.now() - worker.last_seen_at > STALE:
        Worker.objects.filter(pk=worker.pk).update(last_seen_at=Now())


def offered(worker: Worker, *, pools: Sequence[str], software: str, device: str) -> None:
    """Remember what it offered at this lease call; writes only what is new."""
    said = {"pools": list(pools), "software": software, "device": device}
    if any(getattr(worker, name) != value for name, value in said.items()):
        Worker.objects.filter(pk=worker.pk).update(**said)
