"""The only publisher. Messages are hints that may be lost: the rows are the truth (docs/architecture.md)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

log = structlog.get_logger("ourvidz.events")
DEADLINE_SECONDS = 2.0
_loop: asyncio.AbstractEventLoop | None = None


def group_of(owner_id: int) -> str:
    """The channel group that every page of this owner listens to."""
    return f"owner-{owner_id}"


def queue_group(engine: str) -> str:
    """The channel group that waiting lease calls of this engine listen to."""
    return f"queue-{engine}"


def changed(*, owner_id: int, revision: int, job_ids: Iterable[uuid.UUID]) -> None:
    """After commit: this owner's rows have moved on to `revision`."""
    message = {"type": "owner.changed", "revision": revision, "jobs": [str(job_id) for job_id in job_ids]}

    def send() -> None:
        _send(group_of(owner_id), message)

    transaction.on_commit(send, robust=True)


def progressed(*, owner_id: int, job_id: uuid.UUID) -> None:
    """A hint only: the worker is further, or has sent a preview. Never a revision."""
    message: dict[str, object] = {"type": "owner.progress", "job": str(job_id)}

    def send() -> None:
        _send(group_of(owner_id), message)

    transaction.on_commit(send, robust=True)


def queued(*, engine: str) -> None:
    """After commit: wake the lease calls that wait for this engine."""

    def send() -> None:
        _send(queue_group(engine), {"type": "job.queued"})

    transaction.on_commit(send, robust=True)


def leave_by(loop: asyncio.AbstractEventLoop) -> None:
    """From now on hints leave on this loop, the serving one, and the thread that publishes does not wait."""
    global _loop
    _loop = loop


def _send(group: str, message: dict[str, object]) -> None:
    if _loop and _loop.is_running():
        asyncio.run_coroutine_threadsafe(_deliver(group, message), _loop)
    else:
        async_to_sync(_deliver)(group, message)


async def _deliver(group: str, message: dict[str, object]) -> None:
    """Tell the group; a channel layer that is away costs a log line and at most the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as error:  # noqa: BLE001 - whatever the layer's client raises, the rows are already right
        log.warning("hint.lost", group=group, error=type(error).__name__)
