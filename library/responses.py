"""One answer for both callers: JSON for the page's script, a redirect with a message for a plain form."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from generation.assets.selection import as_fields, as_query

MAX_UNDO_IDS = 100  # ids in an address; servers end a request line at 8 KB


def moved(
    request: HttpRequest, message: str, *, undo: str = "", selected: Sequence[uuid.UUID] = ()
) -> HttpResponse:
    """It worked; `undo` names the URL that takes it back for what was `selected`."""
    if wants_json(request):
        answer: dict[str, object] = {"ok": True, "message": message}
        if undo and selected:
            answer["undo"] = {"url": reverse(undo), "fields": as_fields(selected)}
        return JsonResponse(answer)
    undo_url = ""
    if undo and 0 < len(selected) <= MAX_UNDO_IDS:
        undo_url = f"{reverse(undo)}?{as_query(selected)}"
    messages.success(request, message, extra_tags=undo_url)
    return redirect(_where_from(request))


def refused(request: HttpRequest, message: str) -> HttpResponse:
    """Nothing was moved."""
    if wants_json(request):
        return JsonResponse({"ok": False, "message": message, "errors": {"ids": message}}, status=422)
    messages.error(request, message)
    return redirect(_where_from(request))


def wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _where_from(request: HttpRequest) -> str:
    came_from = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure()):
        return came_from
    return reverse("library:home")
