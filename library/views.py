"""The Library's pages. Every response is private and not cached."""

from __future__ import annotations

import uuid
from typing import cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from generation.access.principals import principal_of
from generation.access.projects import owned_projects
from generation.assets import actions, listing
from generation.assets.filters import RATINGS, AssetFilter
from generation.assets.selection import selected_ids
from generation.changes import feed
from generation.core.errors import TooMany
from generation.core.keyset import BadCursor
from generation.core.limits import MAX_RATING, SEARCH_LENGTH
from generation.models import Asset
from library.presenters import Tile, by_day
from library.reader_zone import reader_zone
from library.responses import done, refused


@never_cache
@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    # Before the rows: what changes between the reads is sent again, never missed.
    at = feed.position(_owner_id(request))
    projects = owned_projects(_owner_id(request))
    filters = AssetFilter.from_query(request.GET).within(projects)
    page = _page(request, filters)
    context: dict[str, object] = {
        "days": by_day(page.assets, zone=reader_zone(request)),
        "more": _more(request, page, filters),
        "filters": filters,
    }
    if _wants_fragment(request):
        return render(request, "library/_page.html", context)
    context |= {
        "revision": at.revision,
        "epoch": at.epoch,
        "projects": projects,
        "search_length": SEARCH_LENGTH,
        "ratings": RATINGS,
        "is_first": "cursor" not in request.GET,
        "socket": f"/ws/library/?{filters.to_query()}",
    }
    return render(request, "library/home.html", context)


def _page(request: HttpRequest, filters: AssetFilter) -> listing.Page:
    try:
        return listing.library(
            owner_id=_owner_id(request), only=filters, cursor=request.GET.get("cursor", "")
        )
    except BadCursor as error:
        raise Http404 from error


@never_cache
@login_required
@require_safe
def trash(request: HttpRequest) -> HttpResponse:
    at = feed.position(_owner_id(request))
    try:
        page = listing.trash(owner_id=_owner_id(request), cursor=request.GET.get("cursor", ""))
    except BadCursor as error:
        raise Http404 from error
    context: dict[str, object] = {
        "days": by_day(page.assets, zone=reader_zone(request), in_trash=True),
        "more": _more(request, page, AssetFilter()),
    }
    if _wants_fragment(request):
        return render(request, "library/_page.html", context)
    context |= {
        "revision": at.revision,
        "epoch": at.epoch,
        "keeps_days": settings.TRASH_DAYS,
        "is_first": "cursor" not in request.GET,
        "socket": "/ws/library/?trash=1",
    }
    return render(request, "library/trash.html", context)


@never_cache
@login_required
@require_safe
def asset(request: HttpRequest, media: str, asset_id: uuid.UUID) -> HttpResponse:
    found = _completed_or_404(request, media, asset_id)
    tile = Tile(found, in_trash=found.trashed_at is not None)
    name = "library/_details.html" if _wants_fragment(request) else "library/asset.html"
    return render(request, name, {"tile": tile})


@never_cache
@login_required
@require_POST
def discard(request: HttpRequest) -> HttpResponse:
    selected = selected_ids(request)
    try:
        count = actions.discard(owner_id=_owner_id(request), actor=principal_of(request), assets=selected)
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
    selected = selected_ids(request)
    try:
        count = actions.restore(owner_id=_owner_id(request), actor=principal_of(request), assets=selected)
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
    before = _completed_or_404(request, media, asset_id).rating
    stars = request.POST.get("rating") or request.GET.get("rating", "")
    if stars not in ["0", *RATINGS]:
        return refused(request, f"A rating is 1 to {MAX_RATING} stars, or 0 for none.")
    actions.rate(
        owner_id=_owner_id(request), actor=principal_of(request), assets=[asset_id], rating=int(stars)
    )
    message = "No rating now." if stars == "0" else f"Rated {stars} of {MAX_RATING}."
    undo = reverse("library:rate", args=[media, asset_id])
    return done(request, message, undo=f"{undo}?rating={before}")


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
    try:
        changed = actions.set_favourite(
            owner_id=_owner_id(request),
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


def _completed_or_404(request: HttpRequest, media: str, asset_id: uuid.UUID) -> Asset:
    found = listing.find_asset(owner_id=_owner_id(request), media=media, asset_id=asset_id)
    if found is None or found.completed_at is None:
        raise Http404
    return found


def _owner_id(request: HttpRequest) -> int:
    return cast("int", request.user.pk)


def _wants_fragment(request: HttpRequest) -> bool:
    return request.headers.get("X-Fragment") == "1"


def _more(request: HttpRequest, page: listing.Page, filters: AssetFilter) -> str:
    """Where the next page is; empty on the last one."""
    if not page.next_cursor:
        return ""
    return f"{request.path}?{filters.to_query(cursor=page.next_cursor)}"
