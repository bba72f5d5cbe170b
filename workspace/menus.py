"""The ⋯ menus of jobs and results: fetched when they are opened, pages of their own without a script."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.assets.listing import find_asset
from generation.core.errors import JobNotFound
from generation.http.page_requests import owner_id_of, wants_fragment
from workspace.forms import new_form_key
from workspace.presenters import owned_stack


@never_cache
@login_required
@require_safe
def job_menu(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    try:
        context = {"stack": owned_stack(owner_id_of(request), job_id), "key": new_form_key()}
    except JobNotFound as missing:
        raise Http404 from missing
    return _menu(request, "workspace/_job_menu.html", context)


@never_cache
@login_required
@require_safe
def asset_menu(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    asset = find_asset(owner_id=owner_id_of(request), media=media, asset_id=asset_id)
    if asset is None:
        raise Http404
    stack = owned_stack(owner_id_of(request), asset.job_id)
    card = next((card for card in stack.cards if card.asset == asset and card.phase == "done"), None)
    if card is None:
        raise Http404
    return _menu(
        request, "workspace/_asset_menu.html", {"stack": stack, "card": card, "rest": stack.rest_beside(card)}
    )


def _menu(request: HttpRequest, partial: str, context: Mapping[str, object]) -> HttpResponse:
    if wants_fragment(request):
        return render(request, partial, context)
    return render(request, "workspace/menu.html", {**context, "partial": partial})
