"""What stands beside an asset in a result, for a viewer that goes beyond the tiles on its page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generation.assets import listing
from generation.assets.filters import AssetFilter
from generation.assets.search.query import BadSearch
from generation.core.keyset import BadCursor
from library.presenters import Tile, cursor_of_key
from library.views.owned import owner_id_of

AT_A_TIME = 24


@never_cache
@login_required
@require_safe
def neighbours(request: HttpRequest) -> HttpResponse:
    """Tiles `older` or `newer` than the one with that key, the nearest first; none when that was the last.

    An empty key asks for those at that end of the whole.
    """
    newer = "newer" in request.GET
    try:
        found = _result(request).beside(_cursor(request, newer=newer), AT_A_TIME, newer=newer)
    except (BadCursor, BadSearch) as bad:
        raise Http404 from bad
    tiles = [Tile(asset, in_trash="trash" in request.GET) for asset in found]
    return render(request, "library/_neighbours.html", {"tiles": tiles})


def neighbours_url(query: str) -> str:
    """Where a page with this query finds them."""
    return f"{reverse('library:neighbours')}?{query}"


def _result(request: HttpRequest) -> listing.Listing:
    if "trash" in request.GET:
        return listing.trashed(owner_id=owner_id_of(request))
    return listing.saved(owner_id=owner_id_of(request), only=AssetFilter.from_query(request.GET))


def _cursor(request: HttpRequest, *, newer: bool) -> str:
    key = request.GET.get("newer" if newer else "older", "")
    return cursor_of_key(key) if key else ""
