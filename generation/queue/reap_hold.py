"""The reap hold: after an outage of the server, no lease expires for the time of one lease.

Workers go on during an outage and renew their leases after it; without the hold the first lease call after a
restart would give their jobs to others. Every web process writes a beat every few seconds into a shared row,
where a gap is an outage, whatever its cause: the web server or the database was away, or the machine slept
(docs/decisions/0012-an-outage-is-a-gap-in-a-row.md).
"""

from __future__ import annotations

import threading
from datetime import timedelta

from django.conf import settings
from django.db import Error
from django.db.models import Case, Exists, Expression, F, Q, When

from generation.core.clock import Now
from generation.models import Uptime

MAX_BEAT_SECONDS = 5.0
# A database that was restored from a copy has not been beaten since the copy was made. Nobody restores a
# younger one, and a restart takes less: pages need not load everything afresh.
EPOCH_GAP = timedelta(seconds=60)
_was_away = threading.Event()


def beat_seconds() -> float:
    """The interval of a web process's beats."""
    return min(MAX_BEAT_SECONDS, settings.LEASE_SECONDS / 12)


def _outage() -> timedelta:
    """The shortest gap that counts: in a shorter one a worker's heartbeat still arrives in time."""
    return timedelta(seconds=settings.LEASE_SECONDS / 3)


def beat() -> None:
    """Record that a web process serves. The first beat after an outage begins a hold.

    After a longer one it begins an epoch too: the database may be a restored copy (changes.feed).
    """
    unbroken = Q(last_beat_at__gt=Now() - _outage())
    since: Expression = Case(When(unbroken, then=F("since")), default=Now())
    is_known = Q(last_beat_at__gt=Now() - EPOCH_GAP, epoch__isnull=False)
    epoch = Case(When(is_known, then=F("epoch")), default=Now())
    if _was_away.is_set():
        since = Now()
        _was_away.clear()
    try:
        if not Uptime.objects.update(since=since, last_beat_at=Now(), epoch=epoch):
            first = Uptime(since=Now(), last_beat_at=Now(), epoch=Now())
            Uptime.objects.bulk_create([first], ignore_conflicts=True)
    except Error:
        begin()
        raise


def begin() -> None:
    """Begin a hold at this process's next beat: it could not serve, as its database or disk was away."""
    _was_away.set()


def is_active() -> Exists:
    """As a query condition: no process serves, or the last outage ended less than a lease ago."""
    away = Q(last_beat_at__lt=Now() - _outage())
    short = Q(since__gt=Now() - timedelta(seconds=settings.LEASE_SECONDS))
    return Exists(Uptime.objects.filter(away | short))
