"""Presets: the list, saving what is in the composer, and what is done to one."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.access.principals import principal_of
from generation.core.errors import DomainError
from generation.core.limits import NAME_LENGTH
from generation.http.page_requests import wants_fragment, wants_json
from workspace import presets
from workspace.composer import initial_of_posted
from workspace.forms import ComposerForm
from workspace.models import Preset
from workspace.preset_fields import fields_of
from workspace.responses import done
from workspace.views.action import OwnersRequest, action
from workspace.views.page import composer_page


@never_cache
@login_required
@require_safe
def preset_list(request: OwnersRequest) -> HttpResponse:
    template = "workspace/_presets.html" if wants_fragment(request) else "workspace/presets.html"
    usable = presets.presets_for(request.user.pk)
    return render(request, template, {"presets": usable, "name_length": NAME_LENGTH})


@action
def save(request: OwnersRequest) -> HttpResponse:
    """The composer as it was posted; a plain form gets its page back as it stands."""
    if wants_json(request):
        return _saved(request, *_save(request))
    try:
        preset, _ = _save(request)
    except DomainError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"Saved the preset {preset.name}.")
    return composer_page(request, ComposerForm(request.user, initial=initial_of_posted(request)))


def _save(request: OwnersRequest) -> tuple[Preset, Preset | None]:
    name, with_prompt = request.POST.get("preset_name", ""), bool(request.POST.get("preset_prompt"))
    actor = principal_of(request)
    fields = fields_of(request.user, actor, request.POST, with_prompt=with_prompt)
    return presets.save_preset(owner_id=request.user.pk, actor=actor, name=name, fields=fields)


@action
def overwrite(request: OwnersRequest, preset_id: uuid.UUID) -> HttpResponse:
    """With the prompt if it had one."""
    actor = principal_of(request)
    before = presets.own_preset(request.user.pk, preset_id)
    fields = fields_of(request.user, actor, request.POST, with_prompt="prompt" in before.fields)
    saved = presets.save_preset(owner_id=request.user.pk, actor=actor, name=before.name, fields=fields)
    return _saved(request, *saved)


def _saved(request: OwnersRequest, preset: Preset, replaced: Preset | None) -> HttpResponse:
    if replaced is None:
        return done(request, f"Saved the preset {preset.name}.")
    return done(request, f"Overwrote the preset {preset.name}.", undo=_restore_url(replaced.pk))


@action
def rename(request: OwnersRequest, preset_id: uuid.UUID) -> HttpResponse:
    name = presets.rename_preset(
        owner_id=request.user.pk,
        actor=principal_of(request),
        preset_id=preset_id,
        name=request.POST.get("name", ""),
    )
    return done(request, f"It is called {name} now.")


@action
def delete(request: OwnersRequest, preset_id: uuid.UUID) -> HttpResponse:
    name = presets.delete_preset(owner_id=request.user.pk, actor=principal_of(request), preset_id=preset_id)
    return done(request, f"Deleted the preset {name}.", undo=_restore_url(preset_id))


@action
def restore(request: OwnersRequest, preset_id: uuid.UUID) -> HttpResponse:
    name = presets.restore_preset(owner_id=request.user.pk, actor=principal_of(request), preset_id=preset_id)
    return done(request, f"The preset {name} is back.")


def _restore_url(preset_id: uuid.UUID) -> str:
    return reverse("workspace:restore-preset", args=[preset_id])
