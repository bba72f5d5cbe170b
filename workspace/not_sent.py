"""The answer to a composer that was sent after its session had ended."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from generation.catalog.offers import label_of
from generation.http.page_requests import wants_json
from workspace import model_settings

SIGNED_OUT = "You are signed out, so this was not sent."
TEXTS = (("prompt", "Prompt"), ("negative_prompt", "Negative prompt"))
SETTINGS = (
    ("media", "Kind"),
    ("quality", "Quality"),
    ("quantity", "How many"),
    ("aspect", "Aspect ratio"),
    ("seed", "Seed"),
    ("engine", "Engine"),
    ("model", "Model"),
    ("new_project", "New project"),
    ("review", "Review first"),
    ("enhance", "Enhance the prompt"),
    ("within", "Only if it is done within (s)"),
)


def not_sent(request: HttpRequest) -> HttpResponse:
    """403, with what was typed to be copied: whose it was is not known, so no session may hold it.

    To the page's script 401, as a 403 may have other reasons.
    """
    if wants_json(request):
        return JsonResponse({"ok": False, "message": SIGNED_OUT}, status=HTTPStatus.UNAUTHORIZED)
    context = {"texts": _sent(request, TEXTS), "settings": _sent(request, SETTINGS)}
    return render(request, "workspace/not_sent.html", context, status=HTTPStatus.FORBIDDEN)


def _sent(request: HttpRequest, names: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    found = [(label, value) for name, label in names if (value := request.POST.get(name, "").strip())]
    return found + _model_settings(request) if names is SETTINGS else found


def _model_settings(request: HttpRequest) -> list[tuple[str, str]]:
    texts = model_settings.posted(request.POST).texts
    return [(label_of(name.removeprefix(model_settings.PREFIX)), text) for name, text in texts.items()]
