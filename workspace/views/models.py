"""Models: the list to choose from, and what one lets its users set."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.access.models import served_model
from generation.catalog.job_types import JOB_TYPES
from generation.http.page_requests import wants_fragment
from generation.queue.snapshot import Snapshot
from workspace import model_settings
from workspace.composer import initial_of_posted
from workspace.forms import ComposerForm
from workspace.model_choice import choices_for
from workspace.views.action import OwnersRequest, action
from workspace.views.page import composer_page


@never_cache
@login_required
@require_safe
def model_list(request: OwnersRequest) -> HttpResponse:
    """The models that make `job_type`, or all; `chosen` is marked."""
    job_type = JOB_TYPES.get(request.GET.get("job_type", ""))
    choices = [each for each in choices_for(request.user.pk, Snapshot()) if each.makes(job_type)]
    usual = next((each for each in choices if job_type and job_type.name in each.model.default_for), None)
    context = {"choices": choices, "usual": usual, "chosen": request.GET.get("chosen", "")}
    template = "workspace/_models.html" if wants_fragment(request) else "workspace/models.html"
    return render(request, template, context)


@never_cache
@login_required
@require_safe
def settings_of(request: OwnersRequest, name: str) -> HttpResponse:
    """The controls of a model's settings, for the page's script."""
    model = served_model(request.user.pk, name)
    if model is None:
        raise Http404
    job_type = JOB_TYPES.get(request.GET.get("job_type", ""))
    offer = model.offer_for(job_type) if job_type else model.offer
    context = {"model": model, "controls": model_settings.controls(offer, None)}
    return render(request, "workspace/_model_settings.html", context)


@action
def show_settings(request: OwnersRequest) -> HttpResponse:
    """The composer as it was posted, with the settings of the model that is chosen now."""
    return composer_page(request, ComposerForm(request.user, initial=initial_of_posted(request)))
