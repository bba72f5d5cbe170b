"""How lines are logged: structured, to stderr, one JSON object a line."""

from __future__ import annotations

from typing import Any

import structlog

from ourvidz.logs import RefusalLimit, RepeatLimit, without_links


def logging_settings(*, as_json: bool, level: str) -> dict[str, Any]:
    """Configure structlog and return Django's `LOGGING`, through whose handler its lines go too."""
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            stamp,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processor": renderer,
                "foreign_pre_chain": [
                    without_links,
                    structlog.stdlib.add_log_level,
                    structlog.processors.format_exc_info,
                    stamp,
                ],
            }
        },
        "filters": {"refusals": {"()": RefusalLimit}, "repeats": {"()": RepeatLimit}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["refusals", "repeats"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "daphne": {"level": "WARNING"},
            # The web server logs requests itself; Django's own server logger would repeat them.
            "django.server": {"level": "ERROR"},
        },
    }
