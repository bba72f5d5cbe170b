"""Which pages may open a socket: those of this very site, as Django's CSRF check tells it for forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host

Application = Callable[[Any, Any, Any], Awaitable[Any]]


class OwnPages:
    """Lets a page's socket through when it comes from the host and port that it speaks to.

    The host alone is not enough: cookies know no port, so a page of another service on this machine
    could read everything with its visitor's session.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        is_own = is_own_page(headers.get(b"origin", ""), headers.get(b"host", ""))
        return await (self.application if is_own else WebsocketDenier())(scope, receive, send)


def is_own_page(origin: str, host: str) -> bool:
    """Whether a page from `origin` may speak to this site, which it calls `host`."""
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
