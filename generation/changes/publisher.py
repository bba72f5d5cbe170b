"""Publishes every channel-layer message: hints that may be lost; the rows are the truth."""

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
EMBEDDERS = "embedders"  # the channel group of the embedders' calls that wait
_loop: asyncio.AbstractEventLoop | None = None


def owner_group(owner_id: int) -> str:
    """The channel group of all pages of this owner."""
    return f"owner-{owner_id}"


def queue_group(engine: str) -> str:
    """The channel group of the lease calls that wait for this engine."""
    return f"queue-{engine}"


def session_digest(session_key: str) -> str:
    """A session's name in messages: its key would let any reader of the channel layer sign in."""
    return salted_hmac("generation.changes.publisher", session_key, algorithm="sha256").hexdigest()


def changed(*, owner_id: int, revision: int, job_ids: Iterable[uuid.UUID]) -> None:
    """After commit: tell the owner's pages that the rows have reached `revision`."""
    message = {"type": "owner.changed", "revision": revision, "jobs": [str(job_id) for job_id in job_ids]}
    _send_after_commit(owner_group(owner_id), message)


def progressed(*, owner_id: int, job_id: uuid.UUID) -> None:
    """After commit: tell the owner's pages of progress or a preview, which take no revision.

    The hint's id lets the sockets of a process share one render.
    """
    message = {"type": "owner.progress", "job": str(job_id), "hint": uuid.uuid4().hex}
    _send_after_commit(owner_group(owner_id), message)


def session_ended(*, owner_id: int, session_key: str) -> None:
    """After commit: close the sockets of a session that has signed out, whatever its row still says."""
    message = {"type": "session.ended", "session": session_digest(session_key)}
    _send_after_commit(owner_group(owner_id), message)


def account_changed(*, owner_id: int) -> None:
    """After commit: sockets recheck their sessions (a new password, a deactivation)."""
    _send_after_commit(owner_group(owner_id), {"type": "account.changed"})


def queued(*, engine: str) -> None:
    """After commit: wake the lease calls that wait for this engine."""
    _send_after_commit(queue_group(engine), {"type": "job.queued"})


def embeddings_wanted() -> None:
    """After commit: wake the embedders that wait for something to embed."""
    _send_after_commit(EMBEDDERS, {"type": "embeddings.wanted"})


def _send_after_commit(group: str, message: Mapping[str, object]) -> None:
    def send() -> None:  # a function: Django cannot name a `partial` when it logs what that raised
        _send(group, message)

    transaction.on_commit(send, robust=True)


def send_on(loop: asyncio.AbstractEventLoop) -> None:
    """Send messages on this loop, the serving one, from now on, so that publishing threads do not wait."""
    global _loop
    _loop = loop


def _send(group: str, message: Mapping[str, object]) -> None:
    if _loop and _loop.is_running():
        asyncio.run_coroutine_threadsafe(_deliver(group, message), _loop)
    else:
        async_to_sync(_deliver)(group, message)


async def _deliver(group: str, message: Mapping[str, object]) -> None:
    """Send to the group; an unavailable channel layer costs a log line and at most the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as error:  # noqa: BLE001 - whatever the layer's client raises, the rows are already right
        log.warning("hint.lost", group=group, error=type(error).__name__)
