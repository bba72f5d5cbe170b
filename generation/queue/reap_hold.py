"""After an outage of ours, workers get the time of a lease to renew theirs before one counts as lost.

They work on meanwhile and keep what they make. Without it the first lease call after a restart would give
their jobs to others, and their results would come too late.
"""

from __future__ import annotations

import time

from django.conf import settings

_until = 0.0


def begin() -> None:
    """This process could not serve until now: it starts, or its database or disk was away."""
    global _until
    _until = time.monotonic() + settings.LEASE_SECONDS


def runs() -> bool:
    return time.monotonic() < _until
