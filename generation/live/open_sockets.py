"""How many sockets this process keeps open, of each owner and in all."""

from __future__ import annotations

from collections import Counter

from django.conf import settings

# Close codes: the browser cannot see why a handshake was refused, so such a socket is opened and closed.
TOO_MANY_OF_OWNER = 4429
TOO_MANY = 4503


class OpenSockets:
    """Counts them. What they cost is this process's memory, so each process counts its own."""

    def __init__(self) -> None:
        self._by_owner: Counter[int] = Counter()

    def admit(self, owner_id: int) -> int | None:
        """Count one more; the close code if there is no room for it."""
        if self._by_owner[owner_id] >= settings.MAX_SOCKETS_PER_USER:
            return TOO_MANY_OF_OWNER
        if self._by_owner.total() >= settings.MAX_SOCKETS:
            return TOO_MANY
        self._by_owner[owner_id] += 1
        return None

    def release(self, owner_id: int) -> None:
        """Count one less that was admitted."""
        self._by_owner[owner_id] -= 1
        if not self._by_owner[owner_id]:
            del self._by_owner[owner_id]


open_sockets = OpenSockets()
