from __future__ import annotations

import sys

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
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
    """The answer to an exception that nobody caught: 503 where waiting helps, else 500. Asks no database."""
    error = sys.exc_info()[1]
    service_error = service_error_of(error)
    if service_error is None:
        return defaults.server_error(request)
    log.error(service_error.event, error=type(error).__name__, reason=str(error)[:200])
    headers = service_error.headers | {"Cache-Control": "no-store"}
    if request.headers.get("Accept", "").startswith("application/json"):
        outcome = {"ok": False, "code": service_error.code, "message": service_error.message, "errors": {}}
        return JsonResponse(outcome, status=503, headers=headers)
    sent = _sent(request)
    context = {"service_error": service_error, "path": request.get_full_path(), "sent": sent}
    return HttpResponse(render_to_string("503.html", context), status=503, headers=headers)


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    """What a form of the Workspace or the Library sent, which is no secret, to be sent again."""
    match = request.resolver_match
    if request.method != "POST" or match is None or match.app_name not in ("workspace", "library"):
        return []
    return [(name, value) for name, values in request.POST.lists() for value in values]
