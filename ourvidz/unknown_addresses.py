"""The pages for a request to a name, or from a page of an address, that the site does not know as its own.

Mostly a proxy is at fault: staff are told what the server saw, and which setting would accept it. Whoever
runs the site may not be able to sign in there, so the log says it too.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

import structlog
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults
from django.views.csrf import csrf_failure as token_failure

log = structlog.get_logger("ourvidz.addresses")
LONGEST = 200
# How Django's reasons begin; the others are of a token, which an old page or another sign-in explains.
OF_ADDRESSES = ("Origin checking failed", "Referer checking failed")
UNKNOWN_ORIGIN = (
    "The page that sent this has an address that the site does not know as its own, so nothing was done. "
    "Whoever runs the site finds in its log which setting would accept it."
)
UNKNOWN_HOST = (
    "The site does not know this name as its own. Whoever runs it finds in its log which setting would "
    "accept it."
)
ONLY_OURS = (
    "Do so only if that is an address of this site: else another site sent this, and it was rightly refused."
)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    if not reason.startswith(OF_ADDRESSES):
        return token_failure(request, reason)
    origin = _origin(request)
    called = f"{request.scheme}://{request.get_host()}"
    remedy = origin_remedy(origin, called)
    log.warning("origin.refused", origin=origin, called=called, remedy=remedy)
    if request.headers.get("Accept", "").startswith("application/json"):
        outcome = {"ok": False, "code": "origin_refused", "message": UNKNOWN_ORIGIN, "errors": {}}
        return JsonResponse(outcome, status=HTTPStatus.FORBIDDEN)
    page = origin or "an address that the browser does not say"
    seen = f"The page came from {page}, and called this server {called}."
    return _page(request, HTTPStatus.FORBIDDEN, UNKNOWN_ORIGIN, seen, remedy)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`."""
    if not isinstance(exception, DisallowedHost):
        return defaults.bad_request(request, exception)
    host = request.META.get("HTTP_HOST", "")[:LONGEST]
    remedy = host_remedy(host)
    log.warning("host.refused", host=host, remedy=remedy)
    return _page(request, HTTPStatus.BAD_REQUEST, UNKNOWN_HOST, f"This server was called {host}.", remedy)


def origin_remedy(origin: str, called: str) -> str:
    """What would let pages from `origin` send forms to a server that was called `called`."""
    page, server = _parts(origin), urlsplit(called)
    if page is None:
        return (
            "Let the browser and the proxy pass on the headers Origin and Referer; no setting replaces these."
        )
    if page.hostname != server.hostname:
        return f"Let the proxy pass on Host, or set CSRF_TRUSTED_ORIGINS={origin}. {ONLY_OURS}"
    if page.scheme == "https" and server.scheme == "http":
        header = "let the proxy send X-Forwarded-Proto: https"
        return f"{header[0].upper()}{header[1:]}." if settings.HTTPS else f"Set HTTPS=true, and {header}."
    return (
        "Let the proxy pass on Host with its port (nginx: proxy_set_header Host $http_host), or set "
        f"CSRF_TRUSTED_ORIGINS={origin}. {ONLY_OURS}"
    )


def _parts(origin: str) -> SplitResult | None:
    """None where it names no address: it is what a header says."""
    try:
        parts = urlsplit(origin)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def host_remedy(host: str) -> str:
    name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
    names = ",".join([*settings.ALLOWED_HOSTS, name])
    return f"Set ALLOWED_HOSTS={names}, or let the proxy pass on Host as the browser sent it."


def _origin(request: HttpRequest) -> str:
    """Where the page came from, as the browser says: of a Referer nothing but the origin."""
    if origin := request.headers.get("Origin", ""):
        return origin[:LONGEST]
    try:
        referer = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return ""
    return f"{referer.scheme}://{referer.netloc}"[:LONGEST] if referer.netloc else ""


def _page(request: HttpRequest, status: HTTPStatus, message: str, seen: str, remedy: str) -> HttpResponse:
    context = {"message": message, "seen": seen, "remedy": remedy, "is_staff": _is_staff(request)}
    return render(request, "unknown_address.html", context, status=status)


def _is_staff(request: HttpRequest) -> bool:
    """A name is refused before it is known who asks."""
    try:
        user = getattr(request, "user", None) or (get_user(request) if hasattr(request, "session") else None)
        return bool(user and user.is_active and getattr(user, "is_staff", False))
    except Error:
        return False
