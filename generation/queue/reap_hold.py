"""After an outage of ours, workers get the time of a lease to renew theirs before one counts as lost.

They work on meanwhile and keep what they make. Without it the first lease call after a restart would give
their jobs to others, and their results would come too late. Every web process says every few seconds that it
serves, in one row for all; a gap there was an outage, whatever the reason: the web server or the database was
away, or the machine slept (docs/decisions/0012-an-outage-is-a-gap-in-a-row.md).
"""

from __future__ import annotations

import threading
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Case, Exists, Expression, F, Q, When

from generation.core.clock import Now
from generation.models import Uptime

MAX_BEAT_SECONDS = 5.0
_was_away = threading.Event()


def beat_seconds() -> float:
    """How often a web process is to say that it serves."""
    return min(MAX_BEAT_SECONDS, settings.LEASE_SECONDS / 12)


def _outage() -> timedelta:
    """The shortest gap that counts: within a shorter one a worker's heartbeat still comes in time."""
    return timedelta(seconds=settings.LEASE_SECONDS / 3)


def beat() -> None:
    """A web process serves. The first beat after an outage begins a hold."""
    unbroken = Q(last_beat_at__gt=Now() - _outage())
    since: Expression = Case(When(unbroken, then=F("since")), default=Now())
    if _was_away.is_set():
        since = Now()
        _was_away.clear()
    try:
        if not Uptime.objects.update(since=since, last_beat_at=Now()):
            Uptime.objects.bulk_create([Uptime(since=Now(), last_beat_at=Now())], ignore_conflicts=True)
    except (OperationalError, InterfaceError):
        begin()
        raise


def begin() -> None:
    """This process could not serve, as its database or disk was away: its next beat begins a hold."""
    _was_away.set()


def is_active() -> Exists:
    """For a query: nobody serves now, or has done so for less than a lease since the last outage."""
    away = Q(last_beat_at__lt=Now() - _outage())
    short = Q(since__gt=Now() - timedelta(seconds=settings.LEASE_SECONDS))
    return Exists(Uptime.objects.filter(away | short))
