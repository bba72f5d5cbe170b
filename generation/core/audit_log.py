"""One structured log line for every transition and every refusal: who and ids, never a token or a prompt."""

from __future__ import annotations

import structlog
from django.db import transaction

from generation.core.actors import Actor

log = structlog.get_logger("ourvidz.lifecycle")


def after_commit(event: str, *, actor: Actor, **ids: object) -> None:
    """Log what `actor` did once the surrounding transaction has committed; nothing if it rolls back."""

    def write() -> None:
        log.info(event, actor=str(actor), **ids)

    transaction.on_commit(write, robust=True)


def refused(event: str, *, actor: Actor, **ids: object) -> None:
    """Log a refusal at once: what is refused rolls back."""
    log.warning(event, actor=str(actor), **ids)
