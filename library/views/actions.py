"""Actions on assets: discard, restore, rate, favourite."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from generation.access.principals import principal_of
from generation.assets import actions
from generation.assets.filters import RATINGS
from generation.assets.selection import selected_assets
from generation.assets.titles import set_title
from generation.core.limits import MAX_RATING
from generation.http.page_requests import owner_id_of
from library.responses import done, refused
from library.views.action import action
from library.views.bulk import discard_all, favourite_all, is_everything, restore_all
from library.views.owned import completed_or_404


@action
def discard(request: HttpRequest) -> HttpResponse:
    if is_everything(request):
        return discard_all(request)
    return _move(request, actions.discard, "Moved{} to the trash.", undo="library:restore")


@action
def restore(request: HttpRequest) -> HttpResponse:
    if is_everything(request):
        return restore_all(request)
    return _move(request, actions.restore, "Restored{}.", undo="library:discard")


def _move(request: HttpRequest, act: Callable[..., int], words: str, *, undo: str) -> HttpResponse:
    selected = selected_assets(request, owner_id_of(request))
    count = act(owner_id=owner_id_of(request), actor=principal_of(request), assets=selected)
    if not count:
        return done(request, "Nothing was moved.")
    message = words.format("" if count == 1 else f" {count}")
    return done(request, message, undo=reverse(undo), selected=selected)


@action
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


@action
def favourite(request: HttpRequest) -> HttpResponse:
    return _set_favourite(request, favourite=True)


@action
def unfavourite(request: HttpRequest) -> HttpResponse:
    return _set_favourite(request, favourite=False)


def _set_favourite(request: HttpRequest, *, favourite: bool) -> HttpResponse:
    if is_everything(request):
        return favourite_all(request, favourite)
    changed = actions.set_favourite(
        owner_id=owner_id_of(request),
        actor=principal_of(request),
        assets=selected_assets(request, owner_id_of(request)),
        favourite=favourite,
    )
    if not changed:
        return done(request, "Nothing was changed.")
    what = "" if len(changed) == 1 else f" {len(changed)}"
    message = f"Added{what} to the favourites." if favourite else f"Took{what} out of the favourites."
    undo = reverse("library:unfavourite" if favourite else "library:favourite")
    return done(request, message, undo=undo, selected=changed)
