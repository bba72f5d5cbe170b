"""Hints leave as in the server: on an event loop, while the thread that publishes goes on."""

from __future__ import annotations

import asyncio
import threading

from generation.changes import publisher


def serve() -> None:
    """A loop for this process; a fork needs its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    publisher.send_on(loop)
