"""One structured log line for every transition and every refusal: ids only, never a token or a prompt."""

from __future__ import annotations

import structlog
from django.db import transaction

log = structlog.get_logger("ourvidz.lifecycle")


def after_commit(event: str, **ids: object) -> None:
    """Log `event` once the surrounding transaction has committed; nothing if it rolls back."""

    def write() -> None:
        log.info(event, **ids)

    transaction.on_commit(write, robust=True)


def refused(event: str, **ids: object) -> None:
    """Log a refusal at once: what is refused rolls back."""
    log.warning(event, **ids)
