"""Actions on assets: discard, restore, rate, favourite."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from generation.access.principals import principal_of
from generation.assets import actions
from generation.assets.filters import RATINGS
from generation.assets.selection import selected_ids
from generation.assets.titles import set_title
from generation.core.errors import TooMany
from generation.core.limits import MAX_RATING
from library.responses import done, refused
from library.views.action import action
from library.views.bulk import discard_all, favourite_all, is_everything, restore_all
from library.views.owned import completed_or_404, owner_id_of


@never_cache
@login_required
@require_POST
def discard(request: HttpRequest) -> HttpResponse:
    if is_everything(request):
        return discard_all(request)
    selected = selected_ids(request)
    try:
        count = actions.discard(owner_id=owner_id_of(request), actor=principal_of(request), assets=selected)
    except TooMany as error:
        return refused(request, error.message)
    if not count:
        return done(request, "Nothing was moved.")
    message = "Moved to the trash." if count == 1 else f"Moved {count} to the trash."
    return done(request, message, undo=reverse("library:restore"), selected=selected)


@never_cache
@login_required
@require_POST
def restore(request: HttpRequest) -> HttpResponse:
    if is_everything(request):
        return restore_all(request)
    selected = selected_ids(request)
    try:
        count = actions.restore(owner_id=owner_id_of(request), actor=principal_of(request), assets=selected)
    except TooMany as error:
        return refused(request, error.message)
    if not count:
        return done(request, "Nothing was moved.")
    message = "Restored." if count == 1 else f"Restored {count}."
    return done(request, message, undo=reverse("library:discard"), selected=selected)


@never_cache
@login_required
@require_POST
def rate(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    before = completed_or_404(request, media, asset_id).rating
    stars = request.POST.get("rating") or request.GET.get("rating", "")
    if stars not in ["0", *RATINGS]:
        return refused(request, f"A rating is 1 to {MAX_RATING} stars, or 0 for none.")
    actions.rate(
        owner_id=owner_id_of(request), actor=principal_of(request), assets=[asset_id], rating=int(stars)
    )
    message = "No rating now." if stars == "0" else f"Rated {stars} of {MAX_RATING}."
    undo = reverse("library:rate", args=[media, asset_id])
    return done(request, message, undo=f"{undo}?rating={before}")


@action
def title(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    """The query string counts too: the undo says the title from before there."""
    completed_or_404(request, media, asset_id)
    given = request.POST.get("title", request.GET.get("title", ""))
    before = set_title(
        owner_id=owner_id_of(request), actor=principal_of(request), asset_id=asset_id, title=given
    )
    undo = reverse("library:title", args=[media, asset_id])
    return done(
        request,
        "Titled." if given.strip() else "No title now.",
        undo=f"{undo}?{urlencode({'title': before})}",
    )


@never_cache
@login_required
@require_POST
def favourite(request: HttpRequest) -> HttpResponse:
    return _set_favourite(request, favourite=True)


@never_cache
@login_required
@require_POST
def unfavourite(request: HttpRequest) -> HttpResponse:
    return _set_favourite(request, favourite=False)


def _set_favourite(request: HttpRequest, *, favourite: bool) -> HttpResponse:
    if is_everything(request):
        return favourite_all(request, favourite)
    try:
        changed = actions.set_favourite(
            owner_id=owner_id_of(request),
            actor=principal_of(request),
            assets=selected_ids(request),
            favourite=favourite,
        )
    except TooMany as error:
        return refused(request, error.message)
    if not changed:
        return done(request, "Nothing was changed.")
    what = "" if len(changed) == 1 else f" {len(changed)}"
    message = f"Added{what} to the favourites." if favourite else f"Took{what} out of the favourites."
    undo = reverse("library:unfavourite" if favourite else "library:favourite")
    return done(request, message, undo=undo, selected=changed)
