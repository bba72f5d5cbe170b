"""The only publisher. Messages are hints that may be lost: the rows are the truth (docs/architecture.md)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Mapping

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.utils.crypto import salted_hmac

log = structlog.get_logger("ourvidz.events")
DEADLINE_SECONDS = 2.0
_loop: asyncio.AbstractEventLoop | None = None


def group_of(owner_id: int) -> str:
    """The channel group that every page of this owner listens to."""
    return f"owner-{owner_id}"


def queue_group(engine: str) -> str:
    """The channel group that waiting lease calls of this engine listen to."""
    return f"queue-{engine}"


def session_digest(session_key: str) -> str:
    """What a message calls a session: its key would sign in whoever reads the channel layer."""
    return salted_hmac("generation.changes.publisher", session_key, algorithm="sha256").hexdigest()


def changed(*, owner_id: int, revision: int, job_ids: Iterable[uuid.UUID]) -> None:
    """After commit: this owner's rows have moved on to `revision`."""
    message = {"type": "owner.changed", "revision": revision, "jobs": [str(job_id) for job_id in job_ids]}
    _send_after_commit(group_of(owner_id), message)


def progressed(*, owner_id: int, job_id: uuid.UUID) -> None:
    """A hint only: the worker is further, or has sent a preview. Never a revision.

    Its id lets the sockets of a process answer it with one render.
    """
    message = {"type": "owner.progress", "job": str(job_id), "hint": uuid.uuid4().hex}
    _send_after_commit(group_of(owner_id), message)


def session_ended(*, owner_id: int, session_key: str) -> None:
    """The owner has signed out of this session: its sockets close, whatever its row still says."""
    message = {"type": "session.ended", "session": session_digest(session_key)}
    _send_after_commit(group_of(owner_id), message)


def account_changed(*, owner_id: int) -> None:
    """After commit: sessions of this owner may stand no more (a new password, a deactivation)."""
    _send_after_commit(group_of(owner_id), {"type": "account.changed"})


def queued(*, engine: str) -> None:
    """After commit: wake the lease calls that wait for this engine."""
    _send_after_commit(queue_group(engine), {"type": "job.queued"})


def _send_after_commit(group: str, message: Mapping[str, object]) -> None:
    def send() -> None:  # a function: Django cannot name a `partial` when it logs what that raised
        _send(group, message)

    transaction.on_commit(send, robust=True)


def leave_by(loop: asyncio.AbstractEventLoop) -> None:
    """From now on hints leave on this loop, the serving one, and the thread that publishes does not wait."""
    global _loop
    _loop = loop


def _send(group: str, message: Mapping[str, object]) -> None:
    if _loop and _loop.is_running():
        asyncio.run_coroutine_threadsafe(_deliver(group, message), _loop)
    else:
        async_to_sync(_deliver)(group, message)


async def _deliver(group: str, message: Mapping[str, object]) -> None:
    """Tell the group; a channel layer that is away costs a log line and at most the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as error:  # noqa: BLE001 - whatever the layer's client raises, the rows are already right
        log.warning("hint.lost", group=group, error=type(error).__name__)
