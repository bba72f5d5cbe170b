"""The response to an action: a redirect with a message for a plain form, JSON for the page's script."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect

from generation.http.page_requests import wants_json


def done(request: HttpRequest, message: str, *, undo: str = "") -> HttpResponse:
    """The action succeeded. `undo` is the URL to POST to in order to undo it."""
    if wants_json(request):
        answer: dict[str, object] = {"ok": True, "message": message}
        if undo:
            answer["undo"] = {"url": undo, "fields": {}}
        return JsonResponse(answer)
    messages.success(request, message, extra_tags=undo)
    return redirect("workspace:home")


def refused(request: HttpRequest, message: str) -> HttpResponse:
    """The action is not possible now; nothing changed."""
    if wants_json(request):
        return JsonResponse({"ok": False, "message": message}, status=409)
    messages.error(request, message)
    return redirect("workspace:home")
