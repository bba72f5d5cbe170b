"""Earlier prompts, and with which key the composer is sent."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.core.keyset import BadCursor
from generation.core.limits import SEARCH_LENGTH
from generation.http.page_requests import wants_fragment, wants_json
from generation.jobs.listing import earlier_prompts
from workspace.models import ComposerSettings
from workspace.responses import done, refused
from workspace.views.action import OwnersRequest, action


@never_cache
@login_required
@require_safe
def prompt_list(request: OwnersRequest) -> HttpResponse:
    """The reader's earlier prompts, newest first, of jobs before `before`; with `q` those with its words."""
    search = request.GET.get("q", "")[:SEARCH_LENGTH].replace("\0", "")
    try:
        page = earlier_prompts(owner_id=request.user.pk, search=search, before=request.GET.get("before", ""))
    except BadCursor as bad:
        return refused(request, bad.message)
    if wants_json(request):
        return JsonResponse({"prompts": [prompt for _, prompt in page.prompts], "before": page.before})
    template = "workspace/_prompts.html" if wants_fragment(request) else "workspace/prompts.html"
    context = {
        "prompts": page.prompts,
        "before": page.before,
        "search": search,
        "search_length": SEARCH_LENGTH,
    }
    return render(request, template, context)


@action
def enter_sends(request: OwnersRequest) -> HttpResponse:
    chosen = bool(request.POST.get("enter_sends"))
    ComposerSettings.objects.update_or_create(owner=request.user, defaults={"enter_sends": chosen})
    return done(request, f"{'Enter' if chosen else 'Ctrl+Enter'} sends from now on.")
