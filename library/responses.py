"""The response to an action: a redirect with a message for a plain form, JSON for the page's script."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from generation.assets.selection import as_fields, as_query
from generation.http.page_requests import wants_json

MAX_UNDO_IDS = 100  # ids in an address; servers end a request line at 8 KB


def done(
    request: HttpRequest, message: str, *, undo: str = "", selected: Sequence[uuid.UUID] = ()
) -> HttpResponse:
    """The action succeeded; `undo` is the address that undoes it, for the `selected` assets if any."""
    if wants_json(request):
        answer: dict[str, object] = {"ok": True, "message": message}
        if undo:
            answer["undo"] = {"url": undo, "fields": as_fields(selected)}
        return JsonResponse(answer)
    if selected:
        undo = f"{undo}?{as_query(selected)}" if len(selected) <= MAX_UNDO_IDS else ""
    messages.success(request, message, extra_tags=undo)
    return redirect(_previous_page(request))


def refused(request: HttpRequest, message: str) -> HttpResponse:
    """Nothing was moved."""
    if wants_json(request):
        return JsonResponse({"ok": False, "message": message, "errors": {"ids": message}}, status=422)
    messages.error(request, message)
    return redirect(_previous_page(request))


def _previous_page(request: HttpRequest) -> str:
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure()):
        return referer
    return reverse("library:home")
