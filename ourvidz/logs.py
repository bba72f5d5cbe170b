"""What log lines of Django and the libraries must not say: a one-time link signs in whoever reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

LINK = re.compile(r"(/sign-in/once/)[^\s?]+")


def without_links(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A structlog processor: a refused request is logged with its path, also that of a live link."""
    event["event"] = LINK.sub(r"\1…", str(event["event"]))
    return event
