from __future__ import annotations

import sys

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.views import defaults

from generation.core.service_errors import service_error_of
from ourvidz import capacity

log = structlog.get_logger("ourvidz.views")


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process serves, `degraded` while connections run out; asks nothing of the database."""
    state = "degraded" if capacity.is_nearly_exhausted() else "ok"
    return HttpResponse(state, content_type="text/plain", headers={"Cache-Control": "no-store"})


def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for pages that name no icon: the admin's, an opened file."""
    return redirect(static("brand/mark.svg"))


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for an exception that nobody caught: 503 where waiting helps, else 500. Asks no database."""
    error = sys.exc_info()[1]
    service_error = service_error_of(error)
    if service_error is None:
        return defaults.server_error(request)
    log.error(service_error.event, error=type(error).__name__, reason=str(error)[:200])
    page = render_to_string("503.html", {"service_error": service_error})
    return HttpResponse(page, status=503, headers=service_error.headers | {"Cache-Control": "no-store"})
