"""How many connections and descriptors this process has, and how near it is to what it can hold."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

from django.conf import settings

NEAR = 0.9
OWN_DESCRIPTORS = 256  # the database, the channel layer, the event loop, logs, workers' pipes
DESCRIPTORS_EACH = 2  # a connection, and the file that is sent or received over it


@dataclass
class Connections:
    """Those that are open now, counted by the server, and how many there may be."""

    open: int = 0
    limit: int = settings.MAX_CONNECTIONS

    @property
    def are_nearly_exhausted(self) -> bool:
        return self.open >= NEAR * self.limit


connections = Connections()


def raise_descriptor_limit() -> int:
    """Raise the limit on descriptors as far as we may, and fit the limit on connections to it."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit = hard
    except (OSError, ValueError):  # macOS says "unlimited" and means less
        pass
    if limit != resource.RLIM_INFINITY:
        room = max(limit - OWN_DESCRIPTORS, limit // 2) // DESCRIPTORS_EACH
        connections.limit = min(settings.MAX_CONNECTIONS, room)
    return limit


def is_nearly_exhausted() -> bool:
    return connections.are_nearly_exhausted or _descriptors_are_nearly_exhausted()


def _descriptors_are_nearly_exhausted() -> bool:
    """The kernel hands out the lowest free number, so a new one tells how many there are."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        descriptor = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return True
    os.close(descriptor)
    return descriptor >= NEAR * limit
