"""Origin check for WebSockets: same origin only, as Django's CSRF check does for forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host

log = structlog.get_logger("ourvidz.origins")
Application = Callable[[Any, Any, Any], Awaitable[Any]]


class SameOriginSockets:
    """Accepts a socket only from a page of the same host and port.

    The host alone is not enough: cookies ignore the port, so a page of another service on this machine
    could read everything with its visitor's session.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        origin, host = headers.get(b"origin", ""), headers.get(b"host", "")
        is_own = is_same_origin(origin, host)
        if not is_own:
            log.warning("socket.origin_refused", origin=origin[:200], host=host[:200])
        return await (self.application if is_own else WebsocketDenier())(scope, receive, send)


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page from `origin` may open a socket to this site, addressed as `host`."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
    except ValueError:
        return False
    name = f"[{name}]" if ":" in name else name
    if parts.scheme not in (("https",) if settings.HTTPS else ("http", "https")):
        return False
    return parts.netloc.lower() == host.lower() and validate_host(name, settings.ALLOWED_HOSTS)
